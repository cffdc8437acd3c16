// Owns: the table of emoji that `:` completes. Pure.

export interface Emoji {
  /** The shortcode without colons. */
  name: string;
  char: string;
}

/** The common ones, the most used first. */
export const EMOJI: readonly Emoji[] = [];

/** At most `limit` emoji for what follows `:`. */
export function matchEmoji(query: string, limit = 8): Emoji[] {
  throw new Error(`skeleton ${query} ${limit}`);
}
