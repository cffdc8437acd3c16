/*
 * What the composer offers while one types `@`, `#` or `:`. Owns which candidate is chosen, and that it was put away;
 * what the candidates are is decided in `text/complete.ts`.
 */
import type { App } from '../../state/app.svelte';
import type { RoomView } from '../../state/room.svelte';
import { findTrigger, matchLabels, matchUsers, type Trigger } from '../../text/complete';
import { matchEmoji } from '../../text/emoji';

export interface Candidate {
  key: string;
  /** What is put into the text. */
  insert: string;
  label: string;
  /** Beside the label. */
  detail: string;
  kind: Trigger['kind'];
  /** Of a person: the account's name. */
  name?: string;
  /** Of a room. */
  room?: RoomView;
  char?: string;
}

export class Completion {
  trigger: Trigger | null = $state.raw(null);
  candidates: Candidate[] = $state.raw([]);
  at: number = $state(0);

  readonly #app: App;
  /** Where the trigger stands that was put away with Esc. */
  #dismissed = -1;

  /** How many candidates have room: the list does not scroll. */
  readonly #most: () => number;

  constructor(app: App, most: () => number) {
    this.#app = app;
    this.#most = most;
  }

  get open(): boolean {
    return this.candidates.length > 0;
  }

  get chosen(): Candidate | undefined {
    return this.candidates[this.at];
  }

  /** Looks at the text again, after each change of it or of the caret. */
  update(text: string, caret: number): void {
    const trigger = findTrigger(text, caret);
    if (!trigger || trigger.start !== this.#dismissed) this.#dismissed = -1;
    const same = trigger && this.trigger?.start === trigger.start && this.trigger.query === trigger.query;
    this.trigger = trigger;
    this.candidates = trigger && this.#dismissed < 0 ? this.#find(trigger) : [];
    this.at = same ? Math.min(this.at, Math.max(0, this.candidates.length - 1)) : 0;
  }

  move(by: number): void {
    this.at = (this.at + by + this.candidates.length) % this.candidates.length;
  }

  /** Puts the list away, until something else is to be completed. */
  dismiss(): void {
    this.#dismissed = this.trigger?.start ?? -1;
    this.candidates = [];
  }

  #find({ kind, query }: Trigger): Candidate[] {
    if (kind === 'emoji') {
      return matchEmoji(query, this.#most()).map(({ name, char }) => ({ key: name, insert: char, label: `:${name}:`, detail: '', kind, char }));
    }
    if (kind === 'room') {
      return matchLabels(this.#app.rooms.channels, query, this.#most()).map((room) => ({
        key: room.name,
        insert: `#${room.name}`,
        label: room.label,
        detail: room.topic,
        kind,
        room,
      }));
    }
    return matchUsers(this.#app.people.all, query, this.#most()).map((user) => ({
      key: user.name,
      insert: `@${user.name}`,
      label: user.display_name,
      detail: user.display_name === user.name ? '' : user.name,
      kind,
      name: user.name,
    }));
  }
}
