// Owns: the types of every frame and HTTP body, named as they are on the wire. Never holds behaviour.
// Source: docs/protocol.md. Times are milliseconds since the Unix epoch by the server's clock.

/** A person with an account. */
export interface User {
  name: string;
  display_name: string;
  admin: boolean;
  active: boolean;
}

export type RoomKind = 'public' | 'private' | 'direct';

/** A room as the server tells it to one of its members. */
export interface Room {
  name: string;
  kind: RoomKind;
  topic: string;
  member_count: number;
  /** Present where there are at most 100 of them. */
  members?: string[];
  /** The newest message's number; 0 in an empty room. */
  last_seq: number;
  /** Up to where the caller has read. */
  read_seq: number;
  created: number;
  creator: string;
  /** When the newest message came; servers may leave it out. */
  last_timestamp?: number;
}

/** What a message from `Server` announces; the message's content says the same in English. */
export interface RoomEvent {
  kind: 'created' | 'joined' | 'added' | 'left';
  /** Who did it. */
  user?: string;
  /** To whom it was done. */
  users?: string[];
}

/** A stored message. `seq` counts from 1 in each room, without gaps. */
export interface Message {
  room: string;
  seq: number;
  sender: string;
  content: string;
  timestamp: number;
  /** The sender's own reference, where it gave one. */
  id?: string;
  /** Only on messages from `Server`. */
  event?: RoomEvent;
  /** The number of the sender's message in this room whose new text this is: an edit, which has no place of its own. */
  replaces?: number;
  /** When the text became what it is; on messages of a page whose text was replaced. */
  edited?: number;
}

/** The body of every error. */
export interface ErrorBody {
  code: string;
  message: string;
  retry_after_ms?: number;
}

export interface Page {
  /** Oldest first (search: newest first). */
  messages: Message[];
  more: boolean;
}

export interface SearchPage extends Page {
  /** False where a bound on time ended the search early. */
  complete?: boolean;
  /** Everything newer than this was searched; present where `complete` is false. */
  searched_back_to?: number;
}

/** A problem that somebody reported to the admin. */
export interface Report {
  seq: number;
  name: string;
  /** Whether `name` was proved by a token; else it is what the reporter typed. */
  signed_in: boolean;
  issue: string;
  timestamp: number;
}

export interface ReportPage {
  messages: Report[];
  more: boolean;
}

export interface SignedIn {
  token: string;
  user: User;
}

/** Who may make an account now; `first`: nobody has one, and whoever makes it will be the admin. */
export type Registration = 'first' | 'open' | 'closed';

export interface Health {
  version: string;
  registration: Registration;
}

export interface WelcomeData {
  user: User;
  rooms: Room[];
  online: string[];
  /** The ETag that `GET /chat/users` has now. */
  users: string;
  version: string;
}

export interface GapData {
  room: string;
  /** The last message before the hole; the hole begins after it. */
  after: number;
  /** The first message after the hole. */
  before: number;
}

export interface HelloData {
  token: string;
  /** The last message seen of each room. */
  since?: Record<string, number>;
}

/** What `Ack` carries, by the action that it answers. */
export interface MessageAck {
  room: string;
  seq: number;
  timestamp: number;
}

export interface ReadData {
  room: string;
  seq: number;
}

export interface TypingData {
  room: string;
  user: string;
}

export interface AddedData {
  room: string;
  /** Who added them; absent where they joined by themselves. */
  adder?: string;
  added: string[];
}

export interface LeftData {
  room: string;
  user: string;
}

export interface PresenceData {
  online: string[];
  offline: string[];
}

/** Frames from the client to the server. */
export type UserFrame =
  | { action: 'Hello'; data: HelloData; id?: string }
  | { action: 'Message'; data: { room: string; content: string; replaces?: number }; id?: string }
  | { action: 'Read'; data: ReadData; id?: string }
  | { action: 'Typing'; data: { room: string }; id?: string }
  | { action: 'Ping'; id?: string };

/** Frames from the server to the client. */
export type ServerFrame =
  | { action: 'Welcome'; data: WelcomeData; id?: undefined }
  | { action: 'Gap'; data: GapData; id?: undefined }
  | { action: 'Message'; data: Message; id?: undefined }
  | { action: 'Ack'; data: unknown; id: string }
  | { action: 'Error'; data: ErrorBody; id?: string }
  | { action: 'Room'; data: Room; id?: undefined }
  | { action: 'Added'; data: AddedData; id?: undefined }
  | { action: 'Left'; data: LeftData; id?: undefined }
  | { action: 'Read'; data: ReadData; id?: undefined }
  | { action: 'Typing'; data: TypingData; id?: undefined }
  | { action: 'Presence'; data: PresenceData; id?: undefined }
  | { action: 'User'; data: User; id?: undefined };

/** The sender of the messages by which rooms announce what happens in them. */
export const SERVER_NAME = 'Server';

/** The room that everybody is in and nobody can leave. */
export const GENERAL_ROOM = 'general';

/** Bounds that the server holds everybody to. */
export const LIMITS = {
  /** Bytes of UTF-8 in one message. */
  contentBytes: 16_384,
  /** Bytes of JSON that a frame may spend on its content: 64 KiB less the room's name, the id and the rest. */
  frameBytes: 64 * 1024 - 1024,
  /** Characters in a user's name. */
  userNameLength: 32,
  /** Characters in a room's name. */
  roomNameLength: 64,
  /** Bytes of UTF-8 in a password. */
  passwordMinBytes: 8,
  passwordMaxBytes: 256,
  /** Messages in one page of history, search or reports. */
  pageSize: 200,
} as const;
