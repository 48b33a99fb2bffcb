// The job page: a snapshot in the page, then what the socket adds. Truth is in the log; this only shows it.
import { gutter } from "../console/row.js";
import { data, setText } from "../dom.js";
import { showFeed } from "../live/feed.js";
import { LiveSocket } from "../live/socket.js";
import { Consoles } from "./consoles.js";
import { renderElapsed, renderHeader } from "./header.js";
import { Hold } from "./hold.js";
import { Keyboards } from "./keyboard.js";
import { bindKeys } from "./keys.js";
import { estimatedAgain } from "./queue.js";
import { Results } from "./results.js";
import { Search } from "./search.js";
import { renderMessages, renderNotes, showEvents } from "./side.js";
import { EventList, fromSnapshot, merge } from "./state.js";
import { makeTabs } from "./tabs.js";
import { serverNow, setServerTime, startOf } from "./time.js";
import { renderTable, renderTimeline } from "./timeline.js";
import { renderWaits } from "./waits.js";

const LEAST_PAUSE = 100; // ms between two drawings of everything but the consoles
const ESTIMATE_EVERY = 45_000; // ms: time passes for the jobs ahead, of which no socket tells

const at = (id) => document.getElementById(id);
const count = (tab, number) => setText(at(tab).querySelector("span"), number ? String(number) : "");

const snapshot = data("job-snapshot");
const page = data("job-page");
setServerTime(page.now);

let state = fromSnapshot(snapshot);
let pendingResults = [...state.results.values()];
let frame = null;
let rendered = -Infinity;
let gaps = 0;
const events = new EventList();
const waiting = []; // events that came by the socket before the older ones were loaded
let eventsLoaded = null; // the promise of them
let loaded = false;

gutter.start = startOf(state);
const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const consoles = new Consoles(at("consoles"), snapshot, {
  gap: () => reconnectForGap(),
  heard: (index, chunk) => keyboards?.feed(index, chunk),
});
let keyboards = null; // until the consoles are filled
const hold = new Hold({ job: state.id, token });
const results = new Results(at("results"), at("tally"), { open: openLine });
const tabs = makeTabs(at("tabs"), (panel) => {
  if (panel.id === "p-events") loadEvents();
});

const search = new Search(at("con-search"), consoles, snapshot);
consoles.take(page.consoles);
keyboards = new Keyboards(consoles, { job: state.id, page, note: at("hands-note"), token });
render();

const socket = new LiveSocket({
  address: () => `/ws/jobs/${state.id}/?after=${state.position}&console=${consoles.cursors()}`,
  frame: take,
  state: (word, attempt) => showFeed(word, attempt, state.position),
});

function take({ delta, events: rows, consoles: chunks, position }) {
  if (delta) {
    state = merge(state, delta);
    pendingResults.push(...(delta.results ?? []));
  }
  if (position > state.position) state = { ...state, position };
  if (rows?.length) takeEvents(rows);
  const start = startOf(state);
  if (start !== gutter.start) {
    gutter.start = start;
    consoles.relabel();
  }
  consoles.take(chunks);
  search.changed(state);
  showFeed("live", 0, state.position);
  if (delta) frame ??= setTimeout(render, Math.max(0, rendered + LEAST_PAUSE - performance.now()));
}

function render() {
  frame = null;
  rendered = performance.now();
  renderHeader(state);
  results.update(state, pendingResults);
  pendingResults = [];
  consoles.render(state);
  keyboards.render(state);
  renderMessages(at("p-messages"), state);
  const notes = renderNotes(at("p-notes"), state);
  count("t-results", state.results.size);
  count("t-messages", state.messages.size);
  count("t-notes", notes);
  renderClocks();
}

/** What goes on without news. */
function renderClocks() {
  const now = serverNow();
  renderElapsed(state);
  hold.render(state);
  renderTimeline(at("timeline"), state);
  if (!at("tl-table").hidden) renderTable(at("tl-table"), state);
  renderWaits(at("waits"), state, now, (node) => consoles.silenceOf(node, state));
  consoles.renderSilence(state);
}

setInterval(() => {
  if (state.state === "finished" || document.hidden) return;
  renderHeader(state);
  renderClocks();
}, 1000);

setInterval(async () => {
  if (state.state !== "queued" || document.hidden) return;
  const told = await estimatedAgain(state);
  if (told && state.state === "queued") state = { ...state, ...told };
}, ESTIMATE_EVERY);

/** Bytes are missing: connect anew from the cursors. Should that not help, say so instead of trying for ever. */
function reconnectForGap() {
  gaps += 1;
  if (gaps <= 5) queueMicrotask(() => socket.restart());
}

/** Show the line that a result came from; `line` counts from 0, as all data does, addresses count from 1. */
async function openLine(index, line) {
  if (line === null || line === undefined) return;
  const n = line + 1;
  const node = state.nodes.find((one) => one.index === index);
  if (await consoles.goTo(index, n)) history.replaceState(null, "", `#${node.name}-L${n}`);
}

/** Load the events from the first one on, once, when somebody wants to see them; then the socket goes on. */
function loadEvents() {
  eventsLoaded ??= (async () => {
    for (;;) {
      const response = await fetch(`/api/v1/jobs/${state.id}/events/?after=${events.last}`, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`events: ${response.status}`);
      const { events: rows, more } = await response.json();
      showEvents(at("p-events"), events.add(rows));
      if (!more) break;
    }
    showEvents(at("p-events"), events.add(waiting.splice(0)));
    loaded = true;
    countEvents();
  })().catch(() => {
    eventsLoaded = null; // the next look at the tab tries again
  });
  return eventsLoaded;
}

function takeEvents(rows) {
  if (!eventsLoaded) return;
  if (!loaded) waiting.push(...rows);
  else {
    showEvents(at("p-events"), events.add(rows));
    countEvents();
  }
}

function countEvents() {
  count("t-events", events.rows.length);
}

function pressed(group, attribute, act) {
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const one of group.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === button));
    act(button.dataset[attribute]);
  });
}

pressed(at("ts"), "ts", (mode) => consoles.setTimes(mode));
pressed(at("show"), "show", (kind) => consoles.setFilter(kind));
at("wrap").addEventListener("click", () => {
  const wrapped = at("wrap").getAttribute("aria-pressed") !== "true";
  at("wrap").setAttribute("aria-pressed", String(wrapped));
  at("consoles").classList.toggle("nowrap-lines", !wrapped);
});
at("stack").addEventListener("click", () => {
  at("stack").setAttribute("aria-pressed", String(at("consoles").classList.toggle("stacked")));
});
at("follow-all").addEventListener("click", () => consoles.followAll());
at("nodesel").addEventListener("click", (event) => {
  const tab = event.target.closest("[data-node]");
  if (tab) consoles.select(Number(tab.dataset.node));
});
at("tl-switch").addEventListener("click", () => {
  const table = at("tl-table");
  table.hidden = !table.hidden;
  at("tl-switch").setAttribute("aria-expanded", String(!table.hidden));
  renderClocks();
});
bindKeys({ consoles, keyboards, search, tabs });
addEventListener("resize", () => renderClocks());
addEventListener("hashchange", () => goToHash());

async function goToHash() {
  const fragment = location.hash.slice(1);
  if (/^e\d+$/.test(fragment)) {
    tabs.show("t-events");
    await loadEvents();
    document.getElementById(fragment)?.scrollIntoView({ block: "center" });
  } else if (fragment) consoles.goToFragment(fragment);
}
goToHash();
