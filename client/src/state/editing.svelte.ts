// Owns: which sent message of each room the user is rewriting in this tab, and what they have typed so far; kept over
// reloads. Drafts stay untouched beneath it. Never sends.
import { SvelteMap } from 'svelte/reactivity';
import { foldName } from '../text/names';
import type { Platform } from './platform';
import { KEYS, readJson, writeJson } from './storage';

export interface Edit {
  /** The message's number. */
  readonly seq: number;
  /** Its text as it was. */
  readonly content: string;
  /** Its text as typed so far. */
  readonly text: string;
}

function isEditing(value: unknown): value is Edit {
  const edit = value as Partial<Edit> | null;
  return Number.isSafeInteger(edit?.seq) && typeof edit?.content === 'string' && typeof edit.text === 'string';
}

export class Editing {
  readonly #platform: Platform;
  /** By folded room name. */
  readonly #edits = new SvelteMap<string, Edit>();
  #user = '';

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Takes up what a user was rewriting in this tab; '' forgets it here. */
  load(user: string): void {
    this.#user = user;
    this.#edits.clear();
    const stored = user === '' ? null : readJson(this.#platform.tabStorage, KEYS.editing(user));
    if (stored === null || typeof stored !== 'object') return;
    for (const [room, edit] of Object.entries(stored)) if (isEditing(edit)) this.#edits.set(room, edit);
  }

  /** What is being rewritten in a room. */
  of(room: string): Edit | null {
    return this.#edits.get(foldName(room)) ?? null;
  }

  /** Begins to rewrite a message that reads `content`. False where another one of the room is changed and not sent yet: it must not be lost. */
  begin(room: string, seq: number, content: string): boolean {
    const known = this.of(room);
    if (known && known.seq !== seq && known.text !== known.content) return false;
    if (known?.seq !== seq) this.#set(room, { seq, content, text: content });
    return true;
  }

  /** Keeps what is typed. Cheap enough for every keystroke. */
  type(room: string, text: string): void {
    const edit = this.of(room);
    if (edit) this.#set(room, { ...edit, text });
  }

  /** The edit is sent or given up. */
  end(room: string): void {
    this.#set(room, null);
  }

  /** Gives up every edit; returns those in which something was typed, by folded room name. */
  endAll(): [room: string, text: string][] {
    const edits = [...this.#edits];
    for (const [room] of edits) this.#set(room, null);
    return edits.filter(([, { content, text }]) => text !== content).map(([room, { text }]) => [room, text]);
  }

  #set(room: string, edit: Edit | null): void {
    if (edit) this.#edits.set(foldName(room), edit);
    else this.#edits.delete(foldName(room));
    if (this.#user === '') return;
    const key = KEYS.editing(this.#user);
    if (this.#edits.size === 0) this.#platform.tabStorage.removeItem(key);
    else writeJson(this.#platform.tabStorage, key, Object.fromEntries(this.#edits));
  }
}
