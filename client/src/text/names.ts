// Owns: how people and rooms are named and coloured. Pure.
import { LIMITS } from '../wire/protocol';

/** How many avatar colours there are. */
export const AVATAR_COLOURS = 6;

/** Names that mean something in a text; nobody and no room may have them. */
const RESERVED = new Set(['server', 'system', 'all', 'here', 'me']);

const LETTER_OR_DIGIT = /[\p{Alphabetic}\p{Nd}\p{Nl}\p{No}]/u;
const MARK = /\p{M}/u;

/** At most two letters for an avatar: of the first and the last word, where there are two. */
export function initials(displayName: string): string {
  const words = displayName.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => firstCharacter(word ?? '')).join('').toLocaleUpperCase() || '?';
}

/** One of the avatar colours, 1 to 6, always the same for a name. FNV-1a, because it spreads short names well. */
export function avatarColour(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of foldName(name)) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  // FNV's low bits alone are uneven over short names; this mixes the high ones in.
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d) >>> 0;
  return ((hash ^ (hash >>> 15)) >>> 0) % AVATAR_COLOURS + 1;
}

/** Two names mean the same account or room: case does not matter. */
export function sameName(a: string, b: string): boolean {
  return a === b || foldName(a) === foldName(b);
}

/** The form under which a name is looked up. */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** `Ada`, `Ada and Ben`, `Ada, Ben and Cy`; above `most`, `Ada, Ben and 3 others`. */
export function joinNames(names: readonly string[], most = 3): string {
  if (names.length <= most) return joinAnd([...names]);
  const shown = names.slice(0, Math.max(1, most - 1));
  const rest = names.length - shown.length;
  return joinAnd([...shown, rest === 1 ? '1 other' : `${rest} others`]);
}

/** Why this cannot be a user's name, in words; null where it can. */
export function checkUserName(name: string): string | null {
  return checkName(name, LIMITS.userNameLength, false);
}

/** Why this cannot be a room's name, in words; null where it can. */
export function checkRoomName(name: string): string | null {
  return checkName(name, LIMITS.roomNameLength, true);
}

/** Why this cannot be a password, in words; null where it can. */
export function checkPassword(password: string): string | null {
  const bytes = new TextEncoder().encode(password).length;
  if (bytes < LIMITS.passwordMinBytes) return `That is too short. ${LIMITS.passwordMinBytes} characters are always enough.`;
  if (bytes > LIMITS.passwordMaxBytes) return `Use at most ${LIMITS.passwordMaxBytes} bytes; this has ${bytes}.`;
  return null;
}

function checkName(name: string, longest: number, spaces: boolean): string | null {
  const characters = [...name];
  if (characters.length === 0) return 'Choose a name.';
  if (characters.length > longest) return `Use at most ${longest} characters; this has ${characters.length}.`;
  if (spaces && / {2}|^ | $/.test(name)) return 'Use single spaces, and only between words.';
  const wrong = characters.find((character) => !allowed(character, spaces));
  const signs = spaces ? '“.”, “_”, “-” and single spaces' : '“.”, “_” and “-”';
  if (wrong !== undefined) return `Use letters, digits, ${signs}${wrong === ' ' ? ', but no spaces' : ''}.`;
  if (!characters.some(letterOrDigit)) return 'Use at least one letter or digit.';
  if (RESERVED.has(foldName(name))) return `“${name}” is reserved. Choose another name.`;
  return null;
}

function allowed(character: string, spaces: boolean): boolean {
  return letterOrDigit(character) || '._-'.includes(character) || (spaces && character === ' ');
}

/** Unicode counts some combining marks as letters; names may hold none. */
function letterOrDigit(character: string): boolean {
  return LETTER_OR_DIGIT.test(character) && !MARK.test(character);
}

function firstCharacter(word: string): string {
  return [...word][0] ?? '';
}

function joinAnd(names: string[]): string {
  const last = names.pop();
  return names.length === 0 ? (last ?? '') : `${names.join(', ')} and ${last}`;
}
