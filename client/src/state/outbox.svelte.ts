// Owns: messages that the server has not acknowledged. Keeps them over reloads, sends them in order, one at a time, and
// lets go of one only on its Ack. Never shows or stores sent messages.

export interface PendingMessage {
  /** The reference that makes a repetition harmless. */
  readonly id: string;
  readonly room: string;
  readonly content: string;
  /** When it was written (ms, this machine's clock). */
  readonly created: number;
  readonly state: 'pending' | 'failed';
  /** Why it failed, in words; only where `state` is `failed`. */
  readonly error?: string;
}

export class Outbox {
  /** Everything unsent, oldest first. */
  messages: PendingMessage[] = $state.raw([]);
  /** Until when the server asked us to wait (ms, this machine's clock); null while it does not. */
  waitingUntil: number | null = $state(null);

  /** Queues a message exactly as typed; it appears at once in the timeline. The content must satisfy `checkContent`. */
  send(room: string, content: string): PendingMessage {
    throw new Error(`skeleton ${room} ${content}`);
  }

  /** Sends a failed message again, with the same id. */
  retry(id: string): void {
    throw new Error(`skeleton ${id}`);
  }

  /** Takes a message that is not on its way back; returns its text, for the composer. Null where it is too late (sent, or being sent). */
  edit(id: string): string | null {
    throw new Error(`skeleton ${id}`);
  }

  /** Discards a message that is not on its way. False where it is too late. */
  remove(id: string): boolean {
    throw new Error(`skeleton ${id}`);
  }

  /** What is unsent in a room, oldest first. */
  pendingIn(room: string): PendingMessage[] {
    throw new Error(`skeleton ${room}`);
  }
}
