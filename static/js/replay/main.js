// A job again, with a clock: timeline, consoles and results as they were at a moment. The same page serves a
// job that still runs: then its end moves.
import { gutter } from "../console/row.js";
import { arrange, data, h, icon, setText } from "../dom.js";
import { EventList, fromSnapshot, merge } from "../job/state.js";
import { showEvents } from "../job/side.js";
import { makeTabs } from "../job/tabs.js";
import { endOf, setServerTime, startOf } from "../job/time.js";
import { renderTimeline } from "../job/timeline.js";
import { Results } from "../job/results.js";
import { dotOf, doingOf } from "../job/verdict.js";
import { LiveSocket } from "../live/socket.js";
import { showFeed } from "../live/feed.js";
import { clock, duration, offsetTime } from "../words.js";
import { Consoles } from "./consoles.js";
import { histogram, lastUpTo, momentsOf, stateAt } from "./moment.js";
import { Player } from "./player.js";

const BARS = 125;
const BEFORE_FAILURE = 5; // seconds: what led to it is what one wants to see
const ADDRESS_AFTER = 300; // ms

const at = (id) => document.getElementById(id);

setServerTime(data("job-page").now);
let state = fromSnapshot(data("job-snapshot"));
let moments = [];
let allMoments = []; // and when consoles printed
gutter.start = startOf(state);

const consoles = new Consoles(at("consoles"), state, { clicked: (t) => seek(t) });
const results = new Results(at("results"), at("tally"), { open: (node, line, result) => seek(result.at, node) });
const tabs = makeTabs(at("tabs"), (panel) => panel.id === "p-events" && loadEvents());
const player = new Player({
  start: startOf(state),
  end: endOf(state),
  nextAfter: (t) => allMoments[lastUpTo(allMoments, t) + 1] ?? null,
  moved: () => draw(),
  changed: () => showPlayer(),
});

const scrub = makeScrub();
const later = h("div", { class: "later" });
const head = h("div", { class: "now play" }, h("b"));

/** Take a new state of the whole job. */
function take(next) {
  state = next;
  player.start = gutter.start = startOf(state);
  moments = momentsOf(state);
  player.end = Math.max(endOf(state), player.start + 1, moments.at(-1) ?? 0);
  const printed = consoles.moments();
  allMoments = [...new Set([...moments, ...printed])].sort((a, b) => a - b);
  results.update(state, [...state.results.values()]);
  scrub.input.max = String(player.end - player.start);
  setText(at("whole"), duration(player.end - player.start));
  drawHistogram();
}

function follow() {
  new LiveSocket({
    address: () => `/ws/jobs/${state.id}/?after=${state.position}`,
    frame: async ({ delta, position }) => {
      if (delta) {
        const wasLast = player.t >= player.end - 1;
        state = merge(state, delta);
        await consoles.load();
        take(state);
        if (wasLast && !player.playing) player.seek(player.end);
        else draw();
      } else if (position > state.position) state = { ...state, position };
      showFeed("live", 0, state.position);
    },
    state: (word, attempt) => showFeed(word, attempt, state.position),
  });
}

let drawing = false;

/** Draw the moment with the next frame. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawNow();
  });
}

function drawNow() {
  const t = player.t;
  const then = stateAt(state, t);
  const seconds = t - player.start;
  const words = offsetTime(seconds);
  setText(at("clock"), words);
  setText(at("at"), words);
  setText(at("utc"), clock(t));
  setText(head.firstChild, words);
  const left = `${(100 * seconds) / (player.end - player.start)}%`;
  head.style.left = left;
  later.style.left = left;
  renderTimeline(at("timeline"), state, { under: [scrub.root], over: [later, head] });
  scrub.input.value = String(seconds);
  scrub.input.setAttribute("aria-valuetext", `${words}, ${then.nodes.map((node) => `${node.name} ${doingOf(node, then.running)}`).join(", ")}`);
  results.at(then, t);
  consoles.at(then, t);
  drawNodes(then, t);
  setText(at("results-in"), `${then.results.size} of ${state.results.size} results in`);
  for (const event of at("p-events").children) event.classList.toggle("fut", Number(event.dataset.at) > t);
  remember();
}

function drawNodes(then, t) {
  const rows = then.nodes.map((node) => {
    const since = node.waits?.since ?? node.since;
    const lasts = node.closed || since === null ? "" : duration(t - since);
    return h("li", {}, h("b", { class: "clip" }, h("span", { class: `dot ${dotOf(node)}` }), " ", node.name), h("span", {}, doingOf(node, then.running)), h("span", { class: "num t3" }, lasts));
  });
  at("nodes-at").replaceChildren(...rows);
  const next = [...state.results.values()].filter((one) => one.at > t).sort((a, b) => a.at - b.at)[0];
  at("next-at").replaceChildren(
    ...(next ? [h("li", { class: "t2" }, h("span", { class: "t3" }, "next"), h("span", {}, `${nameOf(next.node)} ${next.suite}/${next.case} ${next.result}`), h("span", { class: "num t3" }, `+${(next.at - t).toFixed(1)}`))] : []),
  );
}

const nameOf = (index) => state.nodes.find((node) => node.index === index)?.name ?? String(index);

// -- moving ------------------------------------------------------------------------------------------------

function seek(t, node = null) {
  if (node !== null) consoles.select(node);
  player.seek(t);
}

/** Go to the next of `times` (sorted), round and round. */
function next(rows, lead, margin) {
  const found = rows.find((one) => one.at - lead > player.t + margin) ?? rows[0];
  if (found) seek(Math.max(player.start, found.at - lead), found.node);
}

const byTime = (rows) => rows.sort((a, b) => a.at - b.at);

function nextFailure() {
  next(byTime([...state.results.values()].filter((one) => one.result === "fail")), BEFORE_FAILURE, 0.01);
}

function nextMessage() {
  const barriers = [...state.waits.values()].filter((one) => one.kind === "sync" && one.ok && one.end !== null).map((one) => ({ node: one.node, at: one.end }));
  next(byTime([...state.messages.values(), ...barriers]), 0, 0.05);
}

function step(direction) {
  const place = lastUpTo(moments, player.t + (direction > 0 ? 0.001 : -0.001));
  seek(moments[direction > 0 ? place + 1 : place] ?? (direction > 0 ? player.end : player.start));
}

// -- the address -------------------------------------------------------------------------------------------

let remembering = null;

function address() {
  const url = new URL(location.href);
  url.searchParams.set("t", (player.t - player.start).toFixed(1));
  return url;
}

function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", address()), ADDRESS_AFTER);
}

/** Go where the address says: to ?t=, or to the line of the fragment, or to the start. */
async function fromAddress() {
  const line = await consoles.timeOf(location.hash.slice(1));
  const t = Number.parseFloat(new URL(location.href).searchParams.get("t") ?? "");
  if (Number.isFinite(t)) seek(player.start + t, line?.node ?? null);
  else if (line) seek(line.at, line.node);
  else seek(state.state === "finished" ? player.start : player.end);
}

async function copyLink() {
  await navigator.clipboard?.writeText(address().href);
  setText(at("copy").querySelector("span"), "Copied");
  setTimeout(() => setText(at("copy").querySelector("span"), "Copy link"), 1500);
}

// -- what is drawn once ------------------------------------------------------------------------------------

function makeScrub() {
  const input = h("input", { type: "range", min: "0", max: "1", step: "0.1", value: "0", "aria-label": "Position in the job, seconds" });
  input.addEventListener("input", () => seek(player.start + Number(input.value)));
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", `0 0 ${BARS} 100`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  picture.append(path);
  const flags = h("div", { class: "scrub-flags" });
  return { root: h("div", { class: "scrub" }, picture, flags, input), input, path, flags };
}

function drawHistogram() {
  const bins = histogram(consoles.times(), player.start, player.end, BARS);
  const most = Math.max(...bins, 1);
  const tops = bins.map((bytes) => (bytes ? Math.min(92, 100 - (100 * Math.log1p(bytes)) / Math.log1p(most)) : 100));
  scrub.path.setAttribute("d", tops.map((top, bin) => (top < 100 ? `M${bin} 100V${top.toFixed(0)}h.75V100z` : "")).join(""));
  const failed = [...state.results.values()].filter((one) => one.result === "fail");
  arrange(
    scrub.flags,
    failed.map((one) => {
      const flag = h("span", { class: "ff", title: `${nameOf(one.node)} ${one.case} failed` }, icon("flag", "i-s"));
      flag.style.left = `${(100 * (one.at - player.start)) / (player.end - player.start)}%`;
      return flag;
    }),
  );
}

function showPlayer() {
  at("play").setAttribute("aria-pressed", String(player.playing));
  for (const one of at("speed").children) one.setAttribute("aria-pressed", String(Number(one.dataset.speed) === player.speed));
}

const events = new EventList();
let loading = null;

function loadEvents() {
  loading ??= (async () => {
    for (;;) {
      const response = await fetch(`/api/v1/jobs/${state.id}/events/?after=${events.last}`, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`events: ${response.status}`);
      const { events: rows, more } = await response.json();
      const fresh = events.add(rows);
      showEvents(at("p-events"), fresh);
      if (!more) break;
    }
    setText(at("t-events").querySelector("span"), String(events.rows.length));
    draw();
  })().catch(() => {
    loading = null; // the next look at the tab tries again
  });
  return loading;
}

// -- hands -------------------------------------------------------------------------------------------------

at("play").addEventListener("click", () => player.play());
at("to-start").addEventListener("click", () => seek(player.start));
at("next-failure").addEventListener("click", nextFailure);
at("next-message").addEventListener("click", nextMessage);
at("copy").addEventListener("click", copyLink);
at("skip").addEventListener("change", () => (player.skipSilence = at("skip").checked));
at("speed").addEventListener("click", (event) => event.target.dataset.speed && player.setSpeed(Number(event.target.dataset.speed)));
at("nodesel").addEventListener("click", (event) => {
  const tab = event.target.closest("[data-node]");
  if (tab) consoles.select(Number(tab.dataset.node));
});
at("stack").addEventListener("click", () => at("stack").setAttribute("aria-pressed", String(at("consoles").classList.toggle("stacked"))));
at("ts").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  for (const one of at("ts").children) one.setAttribute("aria-pressed", String(one === button));
  consoles.setTimes(button.dataset.ts);
});
at("p-events").addEventListener("click", (event) => {
  const row = event.target.closest(".ev");
  if (!row) return;
  event.preventDefault();
  seek(Number(row.dataset.at));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (button) step(Number(button.dataset.step));
});
addEventListener("resize", draw);

const KEYS = {
  " ": () => player.play(),
  ",": () => step(-1),
  ".": () => step(1),
  "<": () => player.shift(-1),
  ">": () => player.shift(1),
  x: nextFailure,
  g: nextMessage,
  y: copyLink,
  r: () => tabs.show("t-results"),
  e: () => tabs.show("t-events"),
  m: () => consoles.maximise(),
  f: () => consoles.toggleFollow(),
  Home: () => seek(player.start),
  Escape: () => consoles.restore(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select")) return;
  if (event.key === " " && event.target.closest?.("button, input, a")) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (event.target.closest?.("[role=tab]")) return;
    event.preventDefault();
    seek(player.t + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 10 : 1));
  } else if (/^[1-9]$/.test(event.key)) consoles.focus(Number(event.key) - 1);
  else if (KEYS[event.key]) {
    if (event.key === " ") event.preventDefault();
    KEYS[event.key]();
  }
});

await consoles.load();
take(state);
await fromAddress();
if (state.state !== "finished") follow();
