// The job as this page knows it: the snapshot it came with, and what the socket added since.

/** Lists whose rows have a key: a delta brings the rows that changed. Everything else comes whole. */
const KEYED = ["results", "phases", "messages", "waits", "attachments", "images", "notes", "checks", "deliveries"];

/** Return a snapshot in the form that `merge` works on: keyed lists as maps, in order of first appearance. */
export function fromSnapshot(snapshot) {
  const state = { ...snapshot };
  for (const name of KEYED) state[name] = new Map((snapshot[name] ?? []).map((row) => [row.key, row]));
  return state;
}

/** Return `state` with a delta merged in; neither is changed. A delta older than the state changes nothing. */
export function merge(state, delta) {
  if (delta.position !== undefined && delta.position < state.position) return state;
  const next = { ...state };
  for (const [name, value] of Object.entries(delta)) {
    next[name] = KEYED.includes(name) ? upserted(state[name], value) : value;
  }
  return next;
}

/** Return the snapshot again, for comparing. */
export function toSnapshot(state) {
  const snapshot = { ...state };
  for (const name of KEYED) snapshot[name] = [...state[name].values()];
  return snapshot;
}

function upserted(rows, changed) {
  if (!changed.length) return rows;
  const next = new Map(rows);
  for (const row of changed) next.set(row.key, row);
  return next;
}

/** The events of a job by position: each once, in order. */
export class EventList {
  constructor() {
    this.rows = [];
    this.last = 0;
  }

  /** Take rows in order; returns those that are new. */
  add(rows) {
    const fresh = rows.filter((row) => row.position > this.last);
    if (fresh.length) this.last = fresh.at(-1).position;
    this.rows.push(...fresh);
    return fresh;
  }
}
