// A job as it was at a moment. Everything here is a pure function of the rows that a finished (or running) job
// has: each of them knows when it began, or was said, and when it ended.
import { epoch } from "../words.js";

const before = (rows, t, at = (row) => row.at) => new Map([...rows].filter(([, row]) => at(row) <= t));

/** Return `state` as it was at `t` (seconds since the epoch), in the same form. */
export function stateAt(state, t) {
  const results = before(state.results, t);
  const phases = new Map();
  for (const [key, row] of before(state.phases, t, (one) => one.start)) phases.set(key, { ...row, end: past(row.end, t) });
  const waits = new Map();
  for (const [key, row] of before(state.waits, t, (one) => one.start)) waits.set(key, { ...row, end: past(row.end, t) });
  const over = state.finished_at && epoch(state.finished_at) <= t;
  return {
    ...state,
    state: over ? state.state : "running",
    outcome: over ? state.outcome : null,
    results,
    phases,
    waits,
    messages: before(state.messages, t),
    notes: before(state.notes, t),
    running: runningAt(state, t),
    counts: countsOf(results),
    nodes: state.nodes.map((node) => nodeAt(node, phases, waits, t)),
  };
}

const past = (end, t) => (end !== null && end !== undefined && end <= t ? end : null);

function nodeAt(node, phases, waits, t) {
  if (node.closed && node.since <= t) return node;
  const own = [...phases.values()].filter((one) => one.node === node.index);
  const phase = own.findLast((one) => one.end === null);
  const wait = [...waits.values()].find((one) => one.node === node.index && one.end === null);
  const last = own.at(-1);
  return {
    ...node,
    closed: null,
    state: phase?.phase ?? (last ? last.phase : "waiting"),
    doing: phase?.what ?? "",
    since: phase?.start ?? last?.end ?? null,
    waits: wait ? { kind: wait.kind, id: wait.id, role: wait.role, needs: wait.needs, since: wait.start } : null,
  };
}

/** The cases that ran at `t`: known afterwards, by how long they took. */
function runningAt(state, t) {
  const running = [];
  for (const one of state.results.values()) {
    if (one.seconds !== null && one.suite !== "lava" && one.at > t && one.at - one.seconds <= t) {
      running.push({ node: one.node, suite: one.suite, case: one.case, since: one.at - one.seconds });
    }
  }
  return running;
}

function countsOf(results) {
  const counts = { pass: 0, fail: 0, skip: 0, unknown: 0 };
  for (const one of results.values()) counts[one.result] += 1;
  return counts;
}

/** Return the index of the last entry of sorted `times` that is not after `t`, or -1. */
export function lastUpTo(times, t, of = (one) => one) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(times[middle]) <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Return all moments at which something happened, in order: for steps and for skipping silence. */
export function momentsOf(state) {
  const found = [];
  for (const row of state.results.values()) found.push(row.at);
  for (const row of state.messages.values()) found.push(row.at);
  for (const row of state.notes.values()) found.push(row.at);
  for (const rows of [state.phases, state.waits]) {
    for (const row of rows.values()) found.push(row.start, ...(row.end === null ? [] : [row.end]));
  }
  for (const node of state.nodes) if (node.closed) found.push(node.since);
  return [...new Set(found)].sort((a, b) => a - b);
}

/** Return how many bytes came in each of `count` equal parts of the time from `start` to `end`. */
export function histogram(indexes, start, end, count) {
  const bins = new Array(count).fill(0);
  for (const times of indexes) {
    let before = 0;
    for (const [at, size] of times) {
      const bin = Math.min(count - 1, Math.max(0, Math.floor(((at - start) / (end - start || 1)) * count)));
      bins[bin] += size - before;
      before = size;
    }
  }
  return bins;
}
