// Owns: finding out what is being completed in the composer, and the candidates for it. Pure.
import type { User } from '../wire/protocol';
import { foldName } from './names';

/** What stands before the caret: `@que`, `#que` or `:que`. */
export interface Trigger {
  kind: 'user' | 'room' | 'emoji';
  query: string;
  /** Index of the sign itself in the text. */
  start: number;
}

const NAME_BEFORE_CARET = /(?:^|[^\p{L}\p{N}._\-@#:/])([@#])([\p{L}\p{N}._-]{0,64})$/u;
/** A colon alone is punctuation, and `:-)` is a smiley: two letters make it a shortcode. */
const EMOJI_BEFORE_CARET = /(?:^|[\s([{])(:)([a-z0-9_+][a-z0-9_+-]{1,30})$/i;

/** What the caret (an index into `text`) stands behind; null where nothing is to be completed. */
export function findTrigger(text: string, caret: number): Trigger | null {
  const before = text.slice(Math.max(0, caret - 80), caret);
  const match = NAME_BEFORE_CARET.exec(before) ?? EMOJI_BEFORE_CARET.exec(before);
  if (!match) return null;
  const [, sign, query = ''] = match;
  const kind = sign === '@' ? 'user' : sign === '#' ? 'room' : 'emoji';
  return { kind, query, start: caret - query.length - 1 };
}

/** `text` with the trigger replaced by `replacement` and a space, and the caret behind it. */
export function applyCompletion(text: string, caret: number, trigger: Trigger, replacement: string): { text: string; caret: number } {
  const rest = text.slice(caret);
  const space = rest.startsWith(' ') ? '' : ' ';
  const head = text.slice(0, trigger.start) + replacement + space;
  return { text: head + rest, caret: head.length + (space === '' ? 1 : 0) };
}

/** At most `limit` of `users` that match: those whose name begins with the query first, then those with a word that does, then those that contain it. */
export function matchUsers(users: readonly User[], query: string, limit = 8): User[] {
  return ranked(users, query, limit, (user) => [user.name, user.display_name]);
}

/** The same for anything with a label. */
export function matchLabels<T extends { label: string }>(things: readonly T[], query: string, limit = 8): T[] {
  return ranked(things, query, limit, ({ label }) => [label]);
}

/** 0: begins with the query, 1: a word of it does, 2: contains it, 3: does not match. Of several texts the best counts. */
export function rank(texts: readonly string[], query: string): number {
  const wanted = foldName(query);
  let best = 3;
  for (const text of texts) {
    const at = foldName(text).indexOf(wanted);
    if (at === 0) return 0;
    if (at > 0) best = Math.min(best, beginsWord(foldName(text), wanted) ? 1 : 2);
  }
  return best;
}

/** At most `limit` of `things` that match, the best first, in their own order where equal. */
export function ranked<T>(things: readonly T[], query: string, limit: number, texts: (thing: T) => string[]): T[] {
  const buckets: [T[], T[], T[]] = [[], [], []];
  for (const thing of things) {
    buckets[rank(texts(thing), query)]?.push(thing);
    if (buckets[0].length === limit) break;
  }
  return buckets.flat().slice(0, limit);
}

function beginsWord(text: string, wanted: string): boolean {
  return text.split(/[\s._-]+/).some((word) => word.startsWith(wanted));
}
