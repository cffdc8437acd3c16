// Owns: the user's rooms, their order, what is unread in them, and which one is open. Never keeps messages for display.
import type { Room } from '../wire/protocol';
import type { RoomView } from './room.svelte';

export class Rooms {
  /** False until the server has told the rooms: show a skeleton. */
  loaded: boolean = $state(false);
  /** Public and private rooms, `general` first, then by label. */
  channels: RoomView[] = $state.raw([]);
  /** Direct rooms, the most recently active first. */
  directs: RoomView[] = $state.raw([]);
  /** `channels`, then `directs`. */
  all: RoomView[] = $derived([...this.channels, ...this.directs]);
  /** The open room; null where none is open or the address names one that is not the user's. */
  current: RoomView | null = $state.raw(null);
  /** The room that the address names and the user is not in: public (offer to join) where `room` is set, else unknown or not for them. */
  elsewhere: { name: string; room: Room | null } | null = $state.raw(null);
  /** Sums over all rooms. */
  unread: number = $derived(this.all.reduce((sum, room) => sum + room.unread, 0));
  mentioned: number = $derived(this.all.reduce((sum, room) => sum + room.mentioned, 0));

  /** The user's room of that name, ignoring case. */
  byName(name: string): RoomView | null {
    throw new Error(`skeleton ${name}`);
  }

  /** Opens the room by way of the address; back returns to where one was. */
  open(name: string, seq?: number): void {
    throw new Error(`skeleton ${name} ${seq}`);
  }

  /** Opens the next room in the order of `all`, for Alt+Down. */
  next(unreadOnly = false): void {
    throw new Error(`skeleton ${unreadOnly}`);
  }

  /** Opens the previous room, for Alt+Up. */
  previous(unreadOnly = false): void {
    throw new Error(`skeleton ${unreadOnly}`);
  }

  /** Marks all of the room read, here and in the user's other tabs. */
  markRead(name: string): void {
    throw new Error(`skeleton ${name}`);
  }

  /** The public rooms, by name. Throws `ApiError`. */
  browse(): Promise<Room[]> {
    throw new Error('skeleton');
  }

  /** Makes a room and opens it. Throws `ApiError`: `room_exists`, `bad_name`, `user_not_found`. */
  create(name: string, kind: 'public' | 'private', users: string[]): Promise<RoomView> {
    throw new Error(`skeleton ${name} ${kind} ${users}`);
  }

  /** Finds or makes the direct room with these people (none: notes to oneself) and opens it. Throws `ApiError`. */
  direct(users: string[]): Promise<RoomView> {
    throw new Error(`skeleton ${users}`);
  }

  /** Joins a public room and opens it. Throws `ApiError`. */
  join(name: string): Promise<RoomView> {
    throw new Error(`skeleton ${name}`);
  }

  /** Leaves a room; opens `general` where it was the open one. Throws `ApiError`. */
  leave(name: string): Promise<void> {
    throw new Error(`skeleton ${name}`);
  }

  /** Throws `ApiError`: `already_member`, `user_not_found`, `forbidden`. */
  add(room: string, user: string): Promise<void> {
    throw new Error(`skeleton ${room} ${user}`);
  }

  /** The members' names, sorted: at once where the room knows them, else fetched. Throws `ApiError`. */
  members(room: string): Promise<string[]> {
    throw new Error(`skeleton ${room}`);
  }
}
