// A row per node, a bar per phase, flags for messages and barriers: drawn again when something changed, and
// once a second while the job runs, in place, so that no bar loses its tooltip under the pointer.
import { arrange, h, setText } from "../dom.js";
import { duration } from "../words.js";
import { local } from "../zone.js";
import { endOf, startOf } from "./time.js";
import { dotOf } from "./verdict.js";

const PHASES = { deploy: "deploy", boot: "boot", test: "test", wait: "wait", hold: "hold", close: "closed" };
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const ROW = 28; // px, as in the style sheet
const LANE = 18;

const kept = new Map(); // elements by key, so that they are moved, not made again

function element(key, make) {
  if (!kept.has(key)) kept.set(key, make());
  return kept.get(key);
}

const place = (one, left, width = null) => {
  one.style.left = `${left}%`;
  if (width !== null) one.style.width = `${width}%`;
  return one;
};

/**
 * Draw the timeline of `state` into `root`. A player adds rows (`under`) before the axis and marks (`over`) that
 * lie over all rows; it then says what time it is, not a line of the timeline's own.
 */
export function renderTimeline(root, state, { under = [], over: marks = [] } = {}) {
  const start = startOf(state);
  const end = Math.max(endOf(state), start + 10);
  const live = state.state !== "finished" && !marks.length;
  const span = live ? (end - start) * 1.1 : end - start;
  const percent = (time) => Math.max(0, Math.min(100, (100 * (time - start)) / span));
  const rows = state.nodes.map((node) => nodeRow(state, node, { percent, end, start, hold: live ? state.hold : null }));
  const over = element("over", () => h("div", { class: "tl-over" }));
  arrange(over, [...flags(state, { percent, start }), ...(live ? [nowLine(percent(end), end - start)] : []), ...marks]);
  arrange(root, [element("lane", () => h("div", { class: "tl-lane" })), ...rows, ...under, axis(span, percent, start, live ? end : null), over]);
  root.setAttribute("aria-label", spoken(state, end - start));
  thin(over);
}

function nodeRow(state, node, scale) {
  const row = element(`row-${node.index}`, () =>
    h(
      "div",
      { class: "tl-row", "data-node": node.index },
      h("a", { class: "tl-lab plain", href: `#con-${node.index}` }, h("span", { class: "dot" }), node.name, h("span", { class: "t3 sm mono" }, `.${node.index}`)),
      h("div", { class: "tl-track" }),
    ),
  );
  row.querySelector(".dot").className = `dot ${dotOf(node)}`;
  const phases = [...state.phases.values()].filter((one) => one.node === node.index);
  const lost = node.closed && !node.closed.ok ? phases.at(-1) : null; // the one it ended in
  arrange(row.lastChild, phases.map((phase) => bar(node, phase, phase === lost, scale)));
  return row;
}

function bar(node, phase, lost, { percent, start, end, hold }) {
  const one = element(`phase-${phase.key}`, () => h("div"));
  const to = phase.end ?? end;
  one.className = `ph ph-${lost ? "bad" : PHASES[phase.phase] ?? "closed"}`;
  place(one, percent(phase.start), percent(to) - percent(phase.start));
  const open = phase.phase === "hold" && phase.end === null ? hold?.until : null;
  const what = (phase.what || PHASES[phase.phase] || phase.phase) + (open ? `, until ${local(new Date(open * 1000))}` : "");
  setText(one, what);
  const until = phase.end ? duration(phase.end - start) : "now";
  one.title = `${node.name}: ${phase.phase}, ${what}, ${duration(phase.start - start)} to ${until} (${duration(to - phase.start)})`;
  return one;
}

function flags(state, { percent, start }) {
  const marks = [];
  for (const { node, message, at, id, data } of [...state.messages.values()].map((one) => ({ ...one, message: one.key }))) {
    const sender = state.nodes.find((one) => one.index === node);
    const words = Object.entries(data ?? {}).map(([key, value]) => ` ${key}=${value}`).join("");
    const flag = element(`msg-${message}`, () => h("span", { class: "fl" }, id));
    flag.title = `${duration(at - start)}: ${sender?.name ?? node} sent ${id}${words}`;
    marks.push(place(flag, percent(at)), place(markOf(state, { node, message, at, id }), percent(at)));
  }
  for (const barrier of barriers(state)) {
    const line = element(`sync-${barrier.key}`, () => h("div", { class: "mk-sync" }));
    const flag = element(`syncf-${barrier.key}`, () => h("span", { class: "fl" }, barrier.id));
    flag.title = `${duration(barrier.at - start)}: all are at barrier ${barrier.id}, last to arrive ${barrier.last}`;
    marks.push(place(line, percent(barrier.at)), place(flag, percent(barrier.at)));
  }
  return marks;
}

const middleOf = (row) => LANE + ROW * row + ROW / 2;

/** A message: a dot in the sender's row and, once somebody got it, an arrow to the furthest who did. */
function markOf(state, { node, message, at, id }) {
  const from = state.nodes.findIndex((one) => one.index === node);
  const far = receiversOf(state, { node, at, id })
    .map((index) => state.nodes.findIndex((one) => one.index === index))
    .reduce((best, row) => (Math.abs(row - from) > Math.abs(best - from) ? row : best), from);
  const mark = element(`mark-${message}`, () => h("i"));
  mark.className = far === from ? "mk-dot" : far < from ? "mk up" : "mk";
  mark.style.top = far === from ? `${middleOf(from) - 3}px` : `${middleOf(Math.min(from, far))}px`;
  mark.style.height = far === from ? "" : `${ROW * Math.abs(far - from)}px`;
  return mark;
}

/** Return who waited for a message and got it: waits of its id that ended well, not before it was sent. */
function receiversOf(state, { node, at, id }) {
  return [...state.waits.values()]
    .filter((one) => one.kind.startsWith("wait") && one.id === id && one.ok && one.end !== null && one.node !== node)
    .filter((one) => one.end >= at - 0.5)
    .map((one) => one.node);
}

/** Barriers that opened: waits of kind sync with the same id that ended well at the same time. */
function barriers(state) {
  const rounds = [];
  const waits = [...state.waits.values()].filter((one) => one.kind === "sync" && one.ok && one.end !== null);
  for (const wait of waits) {
    const round = rounds.find((one) => one.id === wait.id && Math.abs(one.at - wait.end) < 1);
    const name = state.nodes.find((node) => node.index === wait.node)?.name ?? wait.node;
    if (!round) rounds.push({ key: wait.key, id: wait.id, at: wait.end, since: wait.start, last: name });
    else if (wait.start > round.since) Object.assign(round, { since: wait.start, last: name });
  }
  return rounds;
}

function nowLine(left, elapsed) {
  const line = element("now", () => h("div", { class: "now" }, h("b")));
  setText(line.firstChild, duration(elapsed));
  return place(line, left);
}

/** `now`: where a line of its own says what time it is; no tick beside it. */
function axis(span, percent, start, now) {
  const step = STEPS.find((one) => span / one <= 10) ?? 86400;
  const ticks = [];
  for (let at = 0; at <= span * 0.97; at += step) {
    if (now !== null && Math.abs(start + at - now) < span * 0.045) continue;
    ticks.push(place(element(`tick-${at}`, () => h("span", {}, duration(at))), percent(start + at)));
  }
  const line = element("axis", () => h("div", { class: "tl-ax", "aria-hidden": "true" }));
  arrange(line, ticks);
  return line;
}

/** Hide flags that would lie on the one before; their marks and tooltips in the rows stay. */
function thin(over) {
  let right = -Infinity;
  const shown = [...over.querySelectorAll(".fl")].sort((a, b) => parseFloat(a.style.left) - parseFloat(b.style.left));
  const wide = over.clientWidth;
  for (const flag of shown) flag.classList.remove("r", "l", "gone");
  const boxes = shown.map((flag) => [flag, flag.offsetWidth]); // one layout for all
  for (const [flag, width] of boxes) {
    const middle = (parseFloat(flag.style.left) / 100) * wide;
    const side = middle < width / 2 ? "r" : middle > wide - width / 2 ? "l" : "";
    const left = side === "r" ? middle : side === "l" ? middle - width : middle - width / 2;
    if (side) flag.classList.add(side);
    if (left < right + 4) flag.classList.add("gone");
    else right = left + width;
  }
}

function spoken(state, elapsed) {
  const nodes = state.nodes.map((node) => `${node.name} ${node.closed ? "is closed" : node.doing || node.state}`);
  return `Phases of ${state.nodes.length} nodes over ${duration(elapsed)}. ${nodes.join(". ")}.`;
}

/** Draw the same as a table: seconds per node and phase. */
export function renderTable(root, state) {
  const end = endOf(state);
  const held = [...state.phases.values()].some((one) => one.phase === "hold");
  const kinds = ["deploy", "boot", "test", "wait", ...(held ? ["hold"] : [])];
  const body = state.nodes.map((node) => {
    const phases = [...state.phases.values()].filter((one) => one.node === node.index);
    const sum = (kind) => phases.filter((one) => one.phase === kind).reduce((total, one) => total + ((one.end ?? end) - one.start), 0);
    return h(
      "tr",
      {},
      h("td", {}, h("b", {}, node.name)),
      ...kinds.map((kind) => h("td", { class: "num" }, sum(kind) ? duration(sum(kind)) : "")),
      h("td", { class: "t2" }, node.closed ? `closed: ${node.closed.reason}` : node.doing || node.state),
    );
  });
  const heads = ["Node", "Deploy", "Boot", "Test", "Wait", ...(held ? ["Held"] : []), "Now"];
  const head = heads.map((word, at) => h("th", { class: at > 0 && at <= kinds.length ? "num" : null }, word));
  root.replaceChildren(h("table", { class: "table" }, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...body)));
}
