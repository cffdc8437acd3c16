// Owns: who there is, who is online and who types. Never decides who is in a room.
import type { User } from '../wire/protocol';

export class People {
  /** Everybody with an account, by display name. */
  all: User[] = $state.raw([]);
  /** How many are online. */
  onlineCount: number = $state(0);

  /** The user of that name, ignoring case. */
  byName(name: string): User | null {
    throw new Error(`skeleton ${name}`);
  }

  /** What to call somebody: the display name, or the name where nothing is known of them. */
  displayName(name: string): string {
    throw new Error(`skeleton ${name}`);
  }

  isOnline(name: string): boolean {
    throw new Error(`skeleton ${name}`);
  }

  /** Names of the others who type in the room now. */
  typingIn(room: string): string[] {
    throw new Error(`skeleton ${room}`);
  }

  /** The interface tells that the user types; at most one frame in 3 s leaves. */
  typing(room: string): void {
    throw new Error(`skeleton ${room}`);
  }
}
