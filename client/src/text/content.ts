// Owns: what may be sent and what a message's text is made of. Pure.

/** A piece of a message's text. Pieces joined give the text again. */
export type Segment =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string }
  /** `@name` of somebody there is; `name` as the account spells it. `me`: it means the reader (`@all`, `@here` too). */
  | { kind: 'user'; text: string; name: string; me: boolean }
  /** `#room` of one of the user's rooms. */
  | { kind: 'room'; text: string; name: string };

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Why `text` cannot be sent as a message, in words for the person who typed it; null where it can. */
export function checkContent(text: string): string | null {
  throw new Error(`skeleton ${text}`);
}

/** Splits plain text into links, mentions and the rest. The finders give the name as it is written, or null. */
export function segments(
  content: string,
  me: string,
  findUser: (name: string) => string | null,
  findRoom: (name: string) => string | null,
): Segment[] {
  throw new Error(`skeleton ${content} ${me} ${findUser} ${findRoom}`);
}

/** Whether `content` mentions the user `me`, or everybody. */
export function mentions(content: string, me: string): boolean {
  throw new Error(`skeleton ${content} ${me}`);
}
