/*
 * Where each row of a long list stands: heights that were measured, estimates for the rest, and the sums of both.
 * Owns numbers only; it never touches the page, so it is tested without one. All lengths are CSS pixels.
 */

/** What a row needs to have to be laid out. */
export interface LayoutRow {
  /** Unique in the list, and the same row's as long as it lives. */
  key: string;
}

/** The rows `from` to `to`, `to` excluded. */
export interface Range {
  from: number;
  to: number;
}

/** Heights of rows that have gone are forgotten when there are more than these: whoever reads through a long room passes many. */
const KEPT = 2_000;

export class Layout<Row extends LayoutRow> {
  #rows: readonly Row[] = [];
  #index = new Map<string, number>();
  #heights = new Map<string, number>();
  /** `#tops[i]` is the top of row i; one more entry than rows, the last being the height of all. */
  #tops = new Float64Array(1);
  /** The tops up to this row are right. */
  #clean = 0;
  readonly #estimate: (row: Row) => number;

  constructor(estimate: (row: Row) => number) {
    this.#estimate = estimate;
  }

  /** How many heights are kept. */
  get known(): number {
    return this.#heights.size;
  }

  /** Takes the rows as they are now. Heights that were measured stay with their keys; those of rows that have gone, for a while. */
  setRows(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#index = new Map(rows.map((row, index) => [row.key, index]));
    this.#tops = new Float64Array(rows.length + 1);
    this.#clean = 0;
    if (this.#heights.size <= rows.length + KEPT) return;
    for (const key of this.#heights.keys()) if (!this.#index.has(key)) this.#heights.delete(key);
  }

  /** Notes the height of a row; true where it differs from what was known. */
  measured(key: string, height: number): boolean {
    const known = this.#heights.get(key);
    // Below half a pixel it is rounding, and following it would never come to rest.
    if (known !== undefined && Math.abs(known - height) < 0.5) return false;
    this.#heights.set(key, height);
    const index = this.#index.get(key);
    if (index !== undefined) this.#clean = Math.min(this.#clean, index);
    return true;
  }

  get length(): number {
    return this.#rows.length;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.#rows.length);
  }

  row(index: number): Row | undefined {
    return this.#rows[index];
  }

  indexOf(key: string): number {
    return this.#index.get(key) ?? -1;
  }

  /** The top of a row; for the index after the last, the height of all. */
  top(index: number): number {
    for (let i = this.#clean; i < index; i += 1) {
      const row = this.#rows[i] as Row;
      this.#tops[i + 1] = (this.#tops[i] ?? 0) + (this.#heights.get(row.key) ?? this.#estimate(row));
    }
    this.#clean = Math.max(this.#clean, index);
    return this.#tops[index] ?? 0;
  }

  /** The row that covers `y`; the first or the last where `y` is outside. */
  at(y: number): number {
    // One look at the end makes every top right, so that the search may read them all.
    void this.total;
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#tops[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** The rows that touch the stretch from `from` to `to`. */
  range(from: number, to: number): Range {
    if (this.#rows.length === 0) return { from: 0, to: 0 };
    return { from: this.at(from), to: this.at(to) + 1 };
  }
}
