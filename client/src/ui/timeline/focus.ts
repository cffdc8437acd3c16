/*
 * The keyboard's way through the log: from it, the arrows go from message to message, and back out with Esc. Owns no
 * state.
 */

/** Moves the focus among the rows in `list`; the log itself is where it begins, with the newest. */
export function moveAmongRows(event: KeyboardEvent, list: HTMLElement): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
  const rows = [...list.querySelectorAll<HTMLElement>('[data-message]')];
  const focused = document.activeElement?.closest<HTMLElement>('[data-message]');
  const at = focused ? rows.indexOf(focused) : rows.length;
  const next = rows[event.key === 'ArrowUp' ? at - 1 : at + 1];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
}
