// Owns: what is typed and not sent, for each room. Stored in the browser; never sent anywhere.

export class Drafts {
  /** The draft of a room, or ''. */
  get(room: string): string {
    throw new Error(`skeleton ${room}`);
  }

  /** Keeps `text`, exactly, as the draft of the room; '' removes it. Cheap enough for every keystroke. */
  set(room: string, text: string): void {
    throw new Error(`skeleton ${room} ${text}`);
  }

  /** Whether the room has a draft that is not only white space. */
  has(room: string): boolean {
    throw new Error(`skeleton ${room}`);
  }
}
