// Owns: where the user marked rooms unread: in this browser only, for the server's read position never moves back.
// Never counts and never sends.
import { foldName } from '../text/names';
import type { Platform } from './platform';
import { KEYS, readJson, writeJson } from './storage';

/** A room is unread from a message on, because the user said so. */
export interface Mark {
  /** The first unread message. */
  readonly seq: number;
  /** `unread` and `mentioned` count the messages from `seq` to this one; newer ones count as they come. */
  readonly upTo: number;
  readonly unread: number;
  readonly mentioned: number;
}

function isMark(value: unknown): value is Mark {
  const mark = value as Partial<Mark> | null;
  return [mark?.seq, mark?.upTo, mark?.unread, mark?.mentioned].every((number) => Number.isSafeInteger(number));
}

export class Marks {
  readonly #platform: Platform;
  #user = '';
  /** By folded room name. */
  #marks = new Map<string, Mark>();

  /** `changed`: another tab of this browser marked or unmarked. */
  constructor(platform: Platform, changed: () => void) {
    this.#platform = platform;
    platform.events.addEventListener('storage', (event) => {
      if (this.#user === '' || (event as StorageEvent).key !== KEYS.marks(this.#user)) return;
      this.#read();
      changed();
    });
  }

  /** Takes up the marks of a user; '' forgets them here. */
  load(user: string): void {
    this.#user = user;
    this.#read();
  }

  get(room: string): Mark | null {
    return this.#marks.get(foldName(room)) ?? null;
  }

  /** Null ends a mark. */
  set(room: string, mark: Mark | null): void {
    if (this.#user === '') return;
    // Another tab may have marked another room since.
    this.#read();
    if (mark) this.#marks.set(foldName(room), mark);
    else if (!this.#marks.delete(foldName(room))) return;
    const key = KEYS.marks(this.#user);
    if (this.#marks.size === 0) this.#platform.storage.removeItem(key);
    else writeJson(this.#platform.storage, key, Object.fromEntries(this.#marks));
  }

  #read(): void {
    const stored = this.#user === '' ? null : readJson(this.#platform.storage, KEYS.marks(this.#user));
    const entries = stored !== null && typeof stored === 'object' ? Object.entries(stored) : [];
    this.#marks = new Map(entries.filter((entry): entry is [string, Mark] => isMark(entry[1])));
  }
}
