// Owns: noticing that this page did not run for a while: the machine slept, or the browser had stopped the page. Never
// decides what follows from it.

/** How often the clocks are looked at, in ms. */
export const WAKE_CHECK_MS = 1_000;
/** A look that comes this much too late was no crowd of timers: the page stood still. In ms. */
export const WAKE_LATE_MS = 3_000;

/** What tells that time has passed. Which of the two goes on while the machine sleeps differs from system to system. */
export interface Clocks {
  /** Milliseconds since the Unix epoch; steps when somebody sets the clock. */
  now: () => number;
  /** Milliseconds since some moment; never goes back. */
  monotonic: () => number;
}

/**
 * Calls `woke` at most a second after the page goes on; also where the clock was set forward, which looks alike, and at
 * each late look of a background tab, whose timers browsers hold back. Returns what ends it.
 */
export function watchForWaking({ now, monotonic }: Clocks, woke: () => void): () => void {
  let wall = now();
  let steady = monotonic();
  const timer = setInterval(() => {
    const passed = Math.max(now() - wall, monotonic() - steady);
    wall = now();
    steady = monotonic();
    if (passed >= WAKE_CHECK_MS + WAKE_LATE_MS) woke();
  }, WAKE_CHECK_MS);
  return () => clearInterval(timer);
}
