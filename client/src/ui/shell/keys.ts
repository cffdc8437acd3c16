/*
 * The keys that work wherever one is: among rooms, to the search, to the composer. Owns no state; what a key does
 * belongs to the state and the view.
 */
import type { App } from '../../state/app.svelte';
import type { View } from '../view.svelte';

/** Handles a key that nothing on the page has taken. */
export function pageKey(event: KeyboardEvent, app: App, view: View): void {
  if (event.defaultPrevented || event.isComposing || view.dialog || app.session.phase === 'expired') return;
  const bare = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.altKey && !event.ctrlKey && !event.metaKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    event.preventDefault();
    if (event.key === 'ArrowUp') app.rooms.previous(event.shiftKey);
    else app.rooms.next(event.shiftKey);
  } else if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    view.pane = 'search';
    document.querySelector<HTMLInputElement>('#search-text')?.select();
  } else if (event.key === 'Escape' && bare) {
    escape(event, app, view);
  } else if (bare && event.key.length === 1 && event.key !== ' ' && isIdle(document.activeElement)) {
    // The key itself follows into the field, because the focus has moved before it is typed.
    view.composer?.focus();
  }
}

/** In the pane Esc closes it; else it gives up the edit, where there is one, and marks the room read where there is none. */
function escape(event: KeyboardEvent, app: App, view: View): void {
  if (view.pane && (event.target as HTMLElement).closest?.('[data-pane]')) {
    view.pane = null;
    view.focusComposer();
  } else if (app.rooms.current && app.editing.of(app.rooms.current.name)) {
    app.editing.end(app.rooms.current.name);
    view.composer?.focus();
  } else if (app.rooms.current) {
    const unread = app.rooms.current.unread > 0;
    app.rooms.markRead(app.rooms.current.name);
    if (unread) view.say('Marked as read');
  }
}

/** Nothing that takes keys of its own has the focus. */
function isIdle(active: Element | null): boolean {
  return !active || active === document.body || active.closest('[role=log]') !== null;
}
