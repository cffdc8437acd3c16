// Owns: what may be sent and what a message's text is made of. Pure.
import { LIMITS } from '../wire/protocol';
import { sameName } from './names';

/** A piece of a message's text. The texts of all pieces, joined, are the content again. */
export type Segment =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string }
  /** `@name` of somebody there is; `name` as the account spells it. `me`: it means the reader (`@all`, `@here` too). */
  | { kind: 'user'; text: string; name: string; me: boolean }
  /** `#room` of one of the user's rooms. */
  | { kind: 'room'; text: string; name: string };

/** Words that mean everybody. */
const EVERYBODY = ['all', 'here'];
const NAME = String.raw`[\p{L}\p{N}._-]{1,64}`;
/** A sign begins a mention only where no word or address runs into it. */
const NOT_INSIDE_A_WORD = String.raw`(?<![\p{L}\p{N}._\-@#/])`;
const LINK = String.raw`https?:\/\/[^\s<>"\u0000-\u001f]+`;
const PIECES = new RegExp(`(?<link>${LINK})|${NOT_INSIDE_A_WORD}(?<sign>[@#])(?<name>${NAME})`, 'giu');
const MENTIONS = new RegExp(`${NOT_INSIDE_A_WORD}@(${NAME})`, 'gu');
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ENCODER = new TextEncoder();

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  return ENCODER.encode(text).length;
}

/** Why `text` cannot be sent as a message, in words for the person who typed it; null where it can. */
export function checkContent(text: string): string | null {
  if (text.trim() === '') return 'Write something first.';
  if (text.includes('\0')) return 'The text contains an invisible NUL character. Remove it.';
  if (LONE_SURROGATE.test(text)) return 'The text contains half a character, which cannot be sent. Remove it.';
  const bytes = utf8Length(text);
  if (bytes > LIMITS.contentBytes) {
    return `The message is too long by ${bytes - LIMITS.contentBytes} bytes. Split it.`;
  }
  // Control characters grow sixfold in JSON; the frame has a bound of its own.
  if (utf8Length(JSON.stringify(text)) > LIMITS.frameBytes) return 'The text contains too many invisible characters. Remove them.';
  return null;
}

/** Splits plain text into links, mentions and the rest. The finders give the name as it is written, or null. */
export function segments(
  content: string,
  me: string,
  findUser: (name: string) => string | null,
  findRoom: (name: string) => string | null,
): Segment[] {
  const found: Segment[] = [];
  let done = 0;
  for (const match of content.matchAll(PIECES)) {
    const { link, sign, name } = match.groups ?? {};
    const segment = link !== undefined ? linkSegment(link) : mentionSegment(sign ?? '', name ?? '', me, sign === '@' ? findUser : findRoom);
    if (!segment) continue;
    if (match.index > done) found.push({ kind: 'text', text: content.slice(done, match.index) });
    found.push(segment);
    done = match.index + segment.text.length;
  }
  if (done < content.length) found.push({ kind: 'text', text: content.slice(done) });
  return found;
}

/** Whether `content` mentions the user `me`, or everybody. */
export function mentions(content: string, me: string): boolean {
  if (!content.includes('@')) return false;
  for (const [, name] of content.matchAll(MENTIONS)) {
    const meant = readings(name ?? '').some((reading) => sameName(reading, me) || EVERYBODY.includes(reading.toLowerCase()));
    if (meant) return true;
  }
  return false;
}

/** Names hold full stops, and sentences end in them: the longest reading first. */
function readings(name: string): string[] {
  const all = [name];
  for (let rest = name; /[._-]$/.test(rest); ) {
    rest = rest.slice(0, -1);
    if (rest !== '') all.push(rest);
  }
  return all;
}

function mentionSegment(sign: string, name: string, me: string, find: (name: string) => string | null): Segment | null {
  for (const reading of readings(name)) {
    const text = sign + reading;
    if (sign === '@' && EVERYBODY.includes(reading.toLowerCase())) return { kind: 'user', text, name: reading, me: true };
    const found = find(reading);
    if (found === null) continue;
    return sign === '@' ? { kind: 'user', text, name: found, me: sameName(found, me) } : { kind: 'room', text, name: found };
  }
  return null;
}

/** The link without the punctuation of the sentence around it. */
function linkSegment(raw: string): Segment | null {
  // Counted once: a message may end in thousands of brackets, and whoever reads it should not wait.
  const unopened: Record<string, number> = {
    ')': count(raw, ')') - count(raw, '('),
    ']': count(raw, ']') - count(raw, '['),
  };
  let end = raw.length;
  for (; end > 0; end--) {
    const last = raw.charAt(end - 1);
    const surplus = unopened[last];
    if (surplus === undefined ? !'.,;:!?\'*_~'.includes(last) : surplus <= 0) break;
    if (surplus !== undefined) unopened[last] = surplus - 1;
  }
  const text = raw.slice(0, end);
  try {
    return { kind: 'link', text, href: new URL(text).href };
  } catch {
    return null;
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
