/*
 * The rows of the timeline as the scroller wants them: the state's items, and above them what is loaded next or the
 * room's beginning. Pure.
 */
import type { TimelineItem } from '../../state/timeline.svelte';
import type { ScrollRow } from './scroller.svelte';

export type Row = ScrollRow &
  (
    | { kind: 'item'; item: TimelineItem }
    /** The room's beginning: nothing is older. */
    | { kind: 'start' }
    /** Messages that are on their way: skeletons. */
    | { kind: 'older' | 'newer' }
  );

/** Separators move among the messages when older ones arrive, so they are nothing to hold on to. */
const ANCHORS: ReadonlySet<TimelineItem['kind']> = new Set(['message', 'event', 'pending']);

export function timelineRows(items: readonly TimelineItem[], reachedStart: boolean, detached: boolean): Row[] {
  const rows: Row[] = [reachedStart ? { kind: 'start', key: 'start', anchor: false } : { kind: 'older', key: 'older', anchor: false }];
  for (const item of items) rows.push({ kind: 'item', key: item.key, anchor: ANCHORS.has(item.kind), item });
  if (detached) rows.push({ kind: 'newer', key: 'newer', anchor: false });
  return rows;
}

/** Characters in a line of the usual window; a guess until the row has been measured. */
const LINE = 80;
const LINE_HEIGHT = 22;

/** How high a row will be about, in CSS pixels. */
export function estimateHeight(row: Row): number {
  if (row.kind !== 'item') return row.kind === 'start' ? 180 : 240;
  const { item } = row;
  if (item.kind === 'day') return 44;
  if (item.kind === 'new' || item.kind === 'event') return 30;
  const content = item.kind === 'pending' ? item.pending.content : (item.edit ?? item.message).content;
  const lines = content.split('\n').reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / LINE)), 0);
  return lines * LINE_HEIGHT + (item.first ? 34 : 3);
}

/** The number of the message in a row, where it has one. */
export function seqOf(row: Row | undefined): number | null {
  return row?.kind === 'item' && (row.item.kind === 'message' || row.item.kind === 'event') ? row.item.seq : null;
}
