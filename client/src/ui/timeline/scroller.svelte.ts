/*
 * The scrolling of a long list of rows: which rows are in the page, and what the reader keeps before the eyes when rows
 * come, go or change their height. It owns the scroll position and the space above and below the rows in the page; it
 * knows nothing of messages, and decides nothing by time.
 *
 * The promise: while the reader is at the end, the end stays in view; anywhere else, the row that is being read
 * stays where it is on the screen, whatever happens above or below it.
 */
import { Layout, type LayoutRow, type Range } from './layout';

/** A row of which the scroller may hold on to the place. */
export interface ScrollRow extends LayoutRow {
  /** False for rows that are not content, or that move among the content: separators, skeletons. */
  anchor: boolean;
}

interface Anchor {
  key: string;
  /** From the top of the viewport to the top of the row. */
  offset: number;
}

/** How much is kept in the page above and below the viewport. */
const AHEAD = 600;
/** At the end is who has at most this much below the viewport. */
const NEAR_END = 32;

export class Scroller<Row extends ScrollRow> {
  /** The rows to have in the page. */
  range = $state.raw<Range>({ from: 0, to: 0 });
  /** Whether the end is in view. */
  atEnd = $state(true);

  /** False where the list does not reach what is newest: then its end is a place like any other. */
  follow = true;

  readonly #layout: Layout<Row>;
  #viewport: HTMLElement | undefined;
  #list: HTMLElement | undefined;
  #anchors: Anchor[] = [];
  #lastTop = -1;
  #onScroll: () => void = () => undefined;

  constructor(estimate: (row: Row) => number) {
    this.#layout = new Layout(estimate);
  }

  /** Binds the element that scrolls and the one in it that has the rows as children. */
  attach(viewport: HTMLElement, list: HTMLElement, onScroll: () => void): () => void {
    this.#viewport = viewport;
    this.#list = list;
    this.#onScroll = onScroll;
    const observer = new ResizeObserver(() => this.settle());
    observer.observe(viewport);
    observer.observe(list);
    const scrolled = (): void => this.#scrolled();
    viewport.addEventListener('scroll', scrolled, { passive: true });
    return () => {
      observer.disconnect();
      viewport.removeEventListener('scroll', scrolled);
      this.#viewport = this.#list = undefined;
    };
  }

  /** Takes the rows as they are now; `settle` has to follow when they are in the page. */
  setRows(rows: readonly Row[]): void {
    this.#layout.setRows(rows);
    this.#window();
  }

  /** Space between the viewport's top and the first row that is loaded. */
  get above(): number {
    return this.#viewport?.scrollTop ?? 0;
  }

  /** Space between the last row that is loaded and the viewport's bottom. */
  get below(): number {
    const view = this.#viewport;
    return view ? view.scrollHeight - view.scrollTop - view.clientHeight : 0;
  }

  /** Goes to the end and stays there. */
  toEnd(): void {
    this.atEnd = true;
    this.#anchors = [];
    this.settle();
  }

  /** Puts a row so far below the viewport's top. False where there is no such row. */
  toRow(key: string, offset: number): boolean {
    if (!this.aimAt(key, offset)) return false;
    this.settle();
    return true;
  }

  /** Chooses the rows for that place, without going there yet. False where there is no such row. */
  aimAt(key: string, offset: number): boolean {
    if (this.#layout.indexOf(key) < 0) return false;
    this.atEnd = false;
    this.#anchors = [{ key, offset }];
    this.#window();
    return true;
  }

  /** What the reader sees: the first row to hold on to, and the rows that are wholly in view, the last one first. */
  inView(): { first: { row: Row; offset: number } | null; last: Row[] } {
    const view = this.#viewport;
    if (!view || this.#layout.length === 0) return { first: null, last: [] };
    const top = view.scrollTop - this.#lead();
    const { from, to } = this.#layout.range(top, top + view.clientHeight);
    let first: { row: Row; offset: number } | null = null;
    const last: Row[] = [];
    for (let i = from; i < to; i += 1) {
      const row = this.#layout.row(i);
      if (!row) continue;
      const offset = this.#layout.top(i) - top;
      if (!first && row.anchor) first = { row, offset };
      // A row that is higher than the viewport is never wholly in view, but its end is.
      if (this.#layout.top(i + 1) <= top + view.clientHeight + 1) last.unshift(row);
    }
    return { first, last };
  }

  /**
   * Measures the rows in the page and puts the promise above into effect. To be called whenever the page may have
   * changed; it comes to rest by itself.
   */
  settle(): void {
    const view = this.#viewport;
    if (!view || !this.#list || view.clientHeight === 0) return;
    this.#measure();
    this.#space();
    if (this.#stays) this.#scrollTo(view.scrollHeight);
    else this.#restore();
    this.#window();
    if (!this.#stays) this.#hold();
  }

  /** Whether the end is to stay in view. */
  get #stays(): boolean {
    return this.atEnd && this.follow;
  }

  /** A row that is to be kept, with its place: the first that still exists. */
  #restore(): void {
    const anchor = this.#anchors.find(({ key }) => this.#layout.indexOf(key) >= 0);
    if (!anchor) return;
    this.#scrollTo(this.#lead() + this.#layout.top(this.#layout.indexOf(anchor.key)) - anchor.offset);
    if (this.#showsEnd()) this.atEnd = true;
  }

  /** Whether all that is below the place wished for is in view; told only once every row of it has been measured. */
  #showsEnd(): boolean {
    const { from, to } = this.#layoutRange();
    if (to < this.#layout.length || this.#list?.children.length !== to - from) return false;
    return this.#expectedTop() + (this.#viewport?.clientHeight ?? 0) >= this.#layout.total - 1;
  }

  /** Notes the rows in view and their places, for the time when something moves. */
  #hold(): void {
    const view = this.#viewport;
    if (!view || this.#layout.length === 0) return;
    const top = view.scrollTop - this.#lead();
    const { from, to } = this.#layout.range(top, top + view.clientHeight);
    const anchors: Anchor[] = [];
    for (let i = from; i < to; i += 1) {
      const row = this.#layout.row(i);
      if (row?.anchor) anchors.push({ key: row.key, offset: this.#layout.top(i) - top });
    }
    if (anchors.length > 0) this.#anchors = anchors;
  }

  #scrolled(): void {
    const view = this.#viewport;
    if (!view) return;
    // What we set ourselves comes back as an event, too; it is no wish of the reader.
    if (Math.abs(view.scrollTop - this.#lastTop) > 1) {
      this.#lastTop = view.scrollTop;
      this.atEnd = this.below <= NEAR_END;
      this.#hold();
      this.#window();
    }
    this.#onScroll();
  }

  #scrollTo(top: number): void {
    const view = this.#viewport;
    if (!view) return;
    if (Math.abs(view.scrollTop - top) >= 0.5) view.scrollTop = top;
    this.#lastTop = view.scrollTop;
  }

  #measure(): void {
    for (const element of this.#list?.children ?? []) {
      const key = (element as HTMLElement).dataset['key'];
      if (key !== undefined) this.#layout.measured(key, element.getBoundingClientRect().height);
    }
  }

  /** Makes room for the rows that are not in the page. */
  #space(): void {
    const list = this.#list;
    if (!list) return;
    const { from, to } = this.#layoutRange();
    list.style.paddingTop = `${this.#layout.top(from)}px`;
    list.style.paddingBottom = `${this.#layout.total - this.#layout.top(to)}px`;
  }

  #layoutRange(): Range {
    const to = Math.min(this.range.to, this.#layout.length);
    return { from: Math.min(this.range.from, to), to };
  }

  /** Where the rows begin in what scrolls: short lists stand at the bottom. The viewport is the list's offset parent. */
  #lead(): number {
    return this.#list?.offsetTop ?? 0;
  }

  /** Where the viewport will be once the promise is kept again, from the first row's top. */
  #expectedTop(): number {
    const view = this.#viewport;
    if (!view) return 0;
    if (this.#stays) return this.#layout.total - view.clientHeight;
    const anchor = this.#anchors.find(({ key }) => this.#layout.indexOf(key) >= 0);
    if (!anchor) return view.scrollTop - this.#lead();
    return this.#layout.top(this.#layout.indexOf(anchor.key)) - anchor.offset;
  }

  /** Chooses the rows to have in the page. */
  #window(): void {
    const view = this.#viewport;
    const top = this.#expectedTop();
    const next = this.#layout.range(top - AHEAD, top + (view?.clientHeight ?? 0) + AHEAD);
    this.#keepFocus(next);
    if (next.from !== this.range.from || next.to !== this.range.to) this.range = next;
  }

  /** A row that leaves takes the focus with it; the list as a whole is where it belongs then. */
  #keepFocus({ from, to }: Range): void {
    const focused = document.activeElement?.closest<HTMLElement>('[data-key]');
    if (!focused || !this.#list?.contains(focused)) return;
    const index = this.#layout.indexOf(focused.dataset['key'] ?? '');
    if (index < from || index >= to || index < 0) this.#viewport?.focus({ preventScroll: true });
  }
}
