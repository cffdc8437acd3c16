// Owns: finding out what is being completed in the composer, and the candidates for it. Pure.
import type { User } from '../wire/protocol';

/** What stands before the caret: `@que`, `#que` or `:que`. */
export interface Trigger {
  kind: 'user' | 'room' | 'emoji';
  query: string;
  /** Index of the sign itself in the text. */
  start: number;
}

/** What the caret (an index into `text`) stands behind; null where nothing is to be completed. */
export function findTrigger(text: string, caret: number): Trigger | null {
  throw new Error(`skeleton ${text} ${caret}`);
}

/** `text` with the trigger replaced by `replacement` and a space, and the caret behind it. */
export function applyCompletion(text: string, caret: number, trigger: Trigger, replacement: string): { text: string; caret: number } {
  throw new Error(`skeleton ${text} ${caret} ${trigger} ${replacement}`);
}

/** At most `limit` of `users` that match: those whose name begins with the query first, then those with a word that does, then those that contain it. */
export function matchUsers(users: readonly User[], query: string, limit = 8): User[] {
  throw new Error(`skeleton ${users} ${query} ${limit}`);
}

/** The same for anything with a label. */
export function matchLabels<T extends { label: string }>(things: readonly T[], query: string, limit = 8): T[] {
  throw new Error(`skeleton ${things} ${query} ${limit}`);
}
