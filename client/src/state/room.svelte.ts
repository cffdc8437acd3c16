// Owns: what is shown of one room of the user. Never fetches.
import type { RoomKind } from '../wire/protocol';

export class RoomView {
  readonly name: string = '';
  readonly kind: RoomKind = 'public';
  readonly created: number = 0;
  readonly creator: string = '';
  topic: string = $state('');
  memberCount: number = $state(0);
  /** The members' names, sorted; null where they are too many to be told (`rooms.members(name)` fetches them). */
  members: string[] | null = $state.raw(null);
  /** The newest message's number; 0 in an empty room. */
  lastSeq: number = $state(0);
  /** Up to where the user has read. */
  readSeq: number = $state(0);
  /** Messages of others that are unread; announcements do not count. */
  unread: number = $state(0);
  /** Unread messages that mention the user (`@name`, `@all`, `@here`). */
  mentioned: number = $state(0);
  /** When the newest message came (ms, server's clock), or when the room was created. */
  lastActivity: number = $state(0);
  hasDraft: boolean = $state(false);
  /** The room's name; of a direct room the others' display names, or 'Notes to yourself'. */
  label: string = $state('');
  /** Of a direct room: the others' names, sorted; else empty. */
  others: string[] = $state.raw([]);
}
