// Owns: how times are written, in the reader's language and local time. Pure; times are ms since the Unix epoch.

/** The time of day, as `16:42`. */
export function formatTime(ms: number): string {
  throw new Error(`skeleton ${ms}`);
}

/** The day, as `Today`, `Yesterday` or `Friday, 20 November`; with the year where it is another one. */
export function formatDayLabel(ms: number, now: number = Date.now()): string {
  throw new Error(`skeleton ${ms} ${now}`);
}

/** Day and time in full, for a tooltip. */
export function formatFull(ms: number): string {
  throw new Error(`skeleton ${ms}`);
}

/** For lists of hits: the time where it is today, else the day and the time. */
export function formatShort(ms: number, now: number = Date.now()): string {
  throw new Error(`skeleton ${ms} ${now}`);
}

/** For `<time datetime>`. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** Seconds left, for a countdown: whole, rounded up, never negative. */
export function secondsUntil(ms: number, now: number): number {
  return Math.max(0, Math.ceil((ms - now) / 1000));
}
