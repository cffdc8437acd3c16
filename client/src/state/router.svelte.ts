// Owns: the address. `/` lists the rooms, `/room/<name>` is a room, `/room/<name>/<seq>` a message. Never loads anything.
import type { Platform } from './platform';
import type { Place } from './timeline.svelte';

export type Route = { view: 'list' } | { view: 'room'; room: string; seq: number | null };

/** Browsers allow about ten changes of the history in a second; scrolling makes more. In ms. */
const PLACE_DELAY_MS = 300;

/** The route of a path; anything unknown is the list. */
export function parsePath(path: string): Route {
  const [, first, room, seq] = path.split('/');
  if (first !== 'room' || !room) return { view: 'list' };
  try {
    const name = decodeURIComponent(room);
    return { view: 'room', room: name, seq: /^[1-9]\d{0,14}$/.test(seq ?? '') ? Number(seq) : null };
  } catch {
    return { view: 'list' };
  }
}

/** The path of a room or a message. */
export function pathOf(room: string, seq: number | null = null): string {
  const path = `/room/${encodeURIComponent(room)}`;
  return seq === null ? path : `${path}/${seq}`;
}

function placeIn(state: unknown): Place | null {
  const place = (state as { place?: Partial<Place> } | null)?.place;
  return typeof place?.seq === 'number' && typeof place.offset === 'number' ? { seq: place.seq, offset: place.offset } : null;
}

export class Router {
  route: Route = $state.raw({ view: 'list' });
  readonly view: 'list' | 'room' = $derived(this.route.view);

  readonly #platform: Platform;
  /** Told after each change; `place` where one goes back or forward to a view that was left scrolled. */
  readonly #changed: (place: Place | null) => void;
  #place: Place | null = null;
  #placeTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(platform: Platform, changed: (place: Place | null) => void) {
    this.#platform = platform;
    this.#changed = changed;
    this.route = parsePath(platform.addressBar.path());
    platform.events.addEventListener('popstate', () => {
      // A place that is not written yet belongs to the view that was left; its entry is out of reach now.
      this.#forgetPlace();
      this.route = parsePath(platform.addressBar.path());
      changed(placeIn(platform.addressBar.state()));
    });
  }

  /** Goes to `/`: on a phone the list of rooms. */
  goHome(): void {
    this.#move('/', false);
  }

  /** Goes to a room or to a message in it; `replace`: back does not return to where one is. */
  go(room: string, seq: number | null = null, replace = false): void {
    this.#move(pathOf(room, seq), replace);
  }

  /** The path of a room or a message, for `href`. */
  pathOf(room: string, seq: number | null = null): string {
    return pathOf(room, seq);
  }

  /** The whole address of a message, for `Copy link`. */
  linkTo(room: string, seq: number): string {
    return this.#platform.addressBar.origin() + pathOf(room, seq);
  }

  /** Where the view stands now; null: at the newest message. */
  remember(place: Place | null): void {
    this.#place = place;
    this.#placeTimer ??= setTimeout(() => this.#writePlace(), PLACE_DELAY_MS);
  }

  #move(path: string, replace: boolean): void {
    const { addressBar } = this.#platform;
    if (this.#placeTimer !== null) this.#writePlace();
    if (replace) addressBar.replace(path, null);
    else if (addressBar.path() !== path) addressBar.push(path, null);
    this.route = parsePath(path);
    this.#changed(null);
  }

  #writePlace(): void {
    const place = this.#place;
    this.#forgetPlace();
    this.#platform.addressBar.replace(this.#platform.addressBar.path(), { place });
  }

  #forgetPlace(): void {
    if (this.#placeTimer !== null) clearTimeout(this.#placeTimer);
    this.#placeTimer = null;
    this.#place = null;
  }
}
