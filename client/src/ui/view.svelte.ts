/*
 * What is open on the screen: the pane beside the room, the dialog, the short notices. Owns only that; whatever
 * outlives the page or concerns the server is the state's.
 */
import { getContext, setContext, tick } from 'svelte';
import { MediaQuery } from 'svelte/reactivity';
import { PHONE } from '../state/platform';

export type Pane = 'members' | 'search';

export type DialogRequest =
  | { kind: 'browse' }
  | { kind: 'create' }
  | { kind: 'direct' }
  | { kind: 'add'; room: string }
  | { kind: 'leave'; room: string }
  | { kind: 'settings' }
  | { kind: 'report' }
  | { kind: 'reports' };

const CONTEXT = Symbol('view');
/** How long a notice stays, in milliseconds: time to read a short sentence twice. */
const NOTICE_MS = 4_000;

export class View {
  pane: Pane | null = $state(null);
  dialog: DialogRequest | null = $state.raw(null);
  /** A short sentence that something was done. */
  notice: string = $state('');
  /** The composer's field, while there is one. */
  composer: HTMLTextAreaElement | null = $state.raw(null);

  readonly #phone = new MediaQuery(PHONE);
  readonly #touch = new MediaQuery('pointer: coarse');
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** One column: list, room and details are views of their own. */
  get phone(): boolean {
    return this.#phone.current;
  }

  /** A keyboard on the screen would come up wherever a field takes the focus by itself. */
  get touch(): boolean {
    return this.#touch.current;
  }

  open(dialog: DialogRequest): void {
    this.dialog = dialog;
  }

  close(): void {
    this.dialog = null;
  }

  toggle(pane: Pane): void {
    this.pane = this.pane === pane ? null : pane;
  }

  say(notice: string): void {
    clearTimeout(this.#timer);
    this.notice = notice;
    this.#timer = setTimeout(() => (this.notice = ''), NOTICE_MS);
  }

  /** Closes a dialog that led to a room: what one types next is for that room. */
  async closeAndWrite(): Promise<void> {
    this.close();
    await tick();
    this.focusComposer();
  }

  /** Puts the focus where one writes; never brings up a keyboard on the screen. */
  focusComposer(): void {
    if (!this.touch) this.composer?.focus();
  }
}

export function setView(view: View): View {
  return setContext(CONTEXT, view);
}

export function getView(): View {
  return getContext<View>(CONTEXT);
}
