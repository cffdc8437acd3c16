// Owns: how times are written, in the reader's language and local time. Pure; times are ms since the Unix epoch.

/** Makes a format when it is first used: each costs milliseconds, and a page comes up with one or two of them. */
function lazily(options: Intl.DateTimeFormatOptions): (ms: number) => string {
  let format: Intl.DateTimeFormat | undefined;
  return (ms) => (format ??= new Intl.DateTimeFormat(undefined, options)).format(ms);
}

const day = lazily({ weekday: 'long', day: 'numeric', month: 'long' });
const dayOfYear = lazily({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const shortDay = lazily({ day: 'numeric', month: 'short' });
const shortDayOfYear = lazily({ day: 'numeric', month: 'short', year: 'numeric' });

/** The local day, as `2026-11-20`. */
export function dayKey(ms: number): string {
  const date = new Date(ms);
  const part = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${part(date.getMonth() + 1)}-${part(date.getDate())}`;
}

/** When the local day began. */
export function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** When the next local day begins. Days have 23 to 25 hours where clocks change. */
export function startOfNextDay(ms: number): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1).getTime();
}

/** The time of day, as `16:42`. */
export const formatTime = lazily({ hour: '2-digit', minute: '2-digit' });

/** The day, as `Today`, `Yesterday` or `Friday, 20 November`; with the year where it is another one. */
export function formatDayLabel(ms: number, now: number = Date.now()): string {
  const key = dayKey(ms);
  if (key === dayKey(now)) return 'Today';
  const today = new Date(now);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (key === dayKey(yesterday.getTime())) return 'Yesterday';
  return (sameYear(ms, now) ? day : dayOfYear)(ms);
}

/** Day and time in full, for a tooltip. */
export const formatFull = lazily({ dateStyle: 'full', timeStyle: 'medium' });

/** For lists of hits: the time where it is today, else the day and the time. */
export function formatShort(ms: number, now: number = Date.now()): string {
  if (dayKey(ms) === dayKey(now)) return formatTime(ms);
  return `${(sameYear(ms, now) ? shortDay : shortDayOfYear)(ms)}, ${formatTime(ms)}`;
}

/** For `<time datetime>`. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Seconds left, for a countdown: whole, rounded up, never negative. */
export function secondsUntil(ms: number, now: number): number {
  return Math.max(0, Math.ceil((ms - now) / 1000));
}

function sameYear(a: number, b: number): boolean {
  return new Date(a).getFullYear() === new Date(b).getFullYear();
}
