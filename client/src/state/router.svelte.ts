// Owns: the address. `/` lists the rooms, `/room/<name>` is a room, `/room/<name>/<seq>` a message. Never loads anything.

export type Route = { view: 'list' } | { view: 'room'; room: string; seq: number | null };

export class Router {
  route: Route = $state.raw({ view: 'list' });
  view: 'list' | 'room' = $derived(this.route.view);

  /** Goes to `/`: on a phone the list of rooms. */
  goHome(): void {
    throw new Error('skeleton');
  }

  /** Goes to a room or to a message in it. */
  go(room: string, seq: number | null = null): void {
    throw new Error(`skeleton ${room} ${seq}`);
  }

  /** The path of a room or a message, for `href`. */
  pathOf(room: string, seq: number | null = null): string {
    throw new Error(`skeleton ${room} ${seq}`);
  }

  /** The whole address of a message, for `Copy link`. */
  linkTo(room: string, seq: number): string {
    throw new Error(`skeleton ${room} ${seq}`);
  }
}
