// Owns: the messages of the open room that are in memory: one window without holes, of at most a few hundred messages,
// anywhere in the room. Never fetches for rooms that are not open, never touches the DOM.
import type { Message } from '../wire/protocol';
import type { PendingMessage } from './outbox.svelte';

/** One row. `key` stays the same for as long as the row means the same, from pending to sent. */
export type TimelineItem =
  | { kind: 'day'; key: string; label: string; date: number }
  /** The first unread message follows. */
  | { kind: 'new'; key: string }
  /** Something that `Server` announces. */
  | { kind: 'event'; key: string; seq: number; message: Message }
  /** `first`: show the author; the rows after it continue the group. */
  | { kind: 'message'; key: string; seq: number; message: Message; first: boolean; mine: boolean; mentionsMe: boolean }
  /** Not acknowledged yet. */
  | { kind: 'pending'; key: string; pending: PendingMessage; first: boolean };

/** Where the view begins when a room is opened or jumped into. A new object each time. */
export type Landing =
  | { kind: 'bottom' }
  /** The item of kind `new`. */
  | { kind: 'unread' }
  /** A permalink or a search hit: to be marked. */
  | { kind: 'message'; seq: number }
  /** Back or forward: the message was `offset` CSS pixels below the top edge of the view. */
  | { kind: 'place'; seq: number; offset: number };

export class Timeline {
  /** The room whose items these are; '' where none is open. */
  roomName: string = $state('');
  items: TimelineItem[] = $state.raw([]);
  /** Set when a room has been opened or jumped into and `items` hold the place: scroll there. */
  landing: Landing | null = $state.raw(null);
  /** The message that a permalink or a search hit named, to be marked; a new object at each jump. */
  target: { seq: number } | null = $state.raw(null);
  /** Nothing can be shown yet: a skeleton serves. */
  loading: boolean = $state(false);
  loadingOlder: boolean = $state(false);
  loadingNewer: boolean = $state(false);
  /** The first item is the room's first message. */
  reachedStart: boolean = $state(false);
  /** The window does not reach the newest message; `loadNewer` or `jumpToLatest` gets there. */
  detached: boolean = $state(false);
  /** The first unread message when the room was opened; does not move while one reads. */
  firstUnreadSeq: number | null = $state(null);
  /** Messages of others that arrived while one was not at the bottom: for `Jump to latest`. */
  newCount: number = $state(0);
  /** Why the last load failed, in words; null otherwise. `retry` tries again. */
  error: string | null = $state(null);
  /** Set by the interface: the newest item is in view. */
  atBottom: boolean = $state(true);

  /** Loads the page before the first item; does nothing where there is none or one is being loaded. */
  loadOlder(): Promise<void> {
    throw new Error('skeleton');
  }

  /** Loads the page after the last item, where detached. */
  loadNewer(): Promise<void> {
    throw new Error('skeleton');
  }

  /** Shows the message `seq` with what is around it. */
  jumpTo(seq: number): Promise<void> {
    throw new Error(`skeleton ${seq}`);
  }

  /** Shows the newest messages. */
  jumpToLatest(): Promise<void> {
    throw new Error('skeleton');
  }

  /** Loads again what `error` speaks of. */
  retry(): Promise<void> {
    throw new Error('skeleton');
  }

  /** The interface tells the newest message that is in view; it counts as read while somebody looks at the page. */
  seen(seq: number): void {
    throw new Error(`skeleton ${seq}`);
  }

  /** The interface tells the first message in view and how many CSS pixels its top is below the view's, for back and forward. Null: at the bottom. */
  rememberPlace(place: { seq: number; offset: number } | null): void {
    throw new Error(`skeleton ${place}`);
  }
}
