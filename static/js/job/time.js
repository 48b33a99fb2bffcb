// The server's clock, as far as this page can tell: browsers' clocks may be wrong, silence timers must not.
import { epoch } from "../words.js";

let skew = 0;

/** Set the difference from the time at which the server made the page. */
export function setServerTime(now) {
  skew = now - Date.now() / 1000;
}

/** Seconds since the epoch, now. */
export function serverNow() {
  return Date.now() / 1000 + skew;
}

/** When the job's run began: the zero of timeline and consoles. */
export function startOf(state) {
  const begun = epoch(state.started_at);
  if (begun !== null) return begun;
  const starts = [...state.phases.values()].map((one) => one.start);
  return starts.length ? Math.min(...starts) : serverNow();
}

/** When it ended, or now. */
export function endOf(state) {
  return epoch(state.finished_at) ?? serverNow();
}
