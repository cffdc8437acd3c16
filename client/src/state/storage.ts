// Owns: the names of everything that the client stores in the browser, and reading and writing it as JSON.
// Storage that is full, damaged or refused is never an error for the person: the page then works without it.
import { foldName } from '../text/names';
import type { KeyValueStorage } from './platform';

/** Names of accounts and rooms hold no slash, so these keys are unambiguous. */
export const KEYS = {
  session: 'melangerie.session',
  people: 'melangerie.people',
  /** Known to public/early.js as well. */
  preferences: 'melangerie.preferences',
  /** In the tab's own storage. */
  tab: 'melangerie.tab',
  lastRoom: (user: string) => `melangerie/last-room/${foldName(user)}`,
  /** Where rooms are marked unread. */
  marks: (user: string) => `melangerie/unread/${foldName(user)}`,
  /** In the tab's own storage. */
  editing: (user: string) => `melangerie/editing/${foldName(user)}`,
  draftsOf: (user: string) => `melangerie/draft/${foldName(user)}/`,
  draft: (user: string, room: string) => `melangerie/draft/${foldName(user)}/${foldName(room)}`,
  outboxesOf: (user: string) => `melangerie/outbox/${foldName(user)}/`,
  outbox: (user: string, tab: string) => `melangerie/outbox/${foldName(user)}/${tab}`,
};

/** What is stored under `key`; null where nothing is, or nothing that is JSON. */
export function readJson(storage: KeyValueStorage, key: string): unknown {
  try {
    const text = storage.getItem(key);
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** False where the browser has no room for it. */
export function writeJson(storage: KeyValueStorage, key: string, value: unknown): boolean {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Every key that begins with `prefix`. */
export function keysBelow(storage: KeyValueStorage, prefix: string): string[] {
  const keys: string[] = [];
  for (let index = 0; index < storage.length; index++) {
    const key = storage.key(index);
    if (key?.startsWith(prefix)) keys.push(key);
  }
  return keys;
}

/** Random enough to be unique among all people of a server. Works on plain HTTP, where `crypto.randomUUID` is missing. */
export function newReference(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
