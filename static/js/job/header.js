// Number, name and buttons stay; state, board and times change.
import { h, icon, setText } from "../dom.js";
import { about, duration, epoch, listed } from "../words.js";
import { timeOf } from "../zone.js";
import { serverNow } from "./time.js";
import { verdict } from "./verdict.js";
import { rootsOf } from "./waits.js";

const KINDS = {
  infrastructure: "Infrastructure error",
  job: "Error in the definition or an image",
  test: "Test error",
  canceled: "Cancelled",
  bug: "Fault of Labbook",
};

const at = (id) => document.getElementById(id);
const value = (id) => at(id).querySelector("dd");

/** Put children in place if they differ from what was put there last. */
function put(element, key, children) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...children);
}

function pill([word, tone, symbol]) {
  return h("span", { class: `pill p-${tone}` }, icon(symbol), word);
}

export function renderHeader(state) {
  const shown = verdict(state);
  const pills = [shown];
  const roots = state.state === "running" ? rootsOf(state, serverNow()) : [];
  if (roots.length) pills.push([`Blocked on ${listed(roots.map((one) => one.name))}`, "wait", "hourglass"]);
  put(at("pills"), JSON.stringify(pills), pills.map(pill));
  showIcon((pills[1] ?? shown)[1]);
  document.title = `${shown[0]} · #${state.id} ${state.name} · Labbook`;
  renderBoard(state);
  renderNote(state);
  renderLineage(state);
  renderQueue(state);
  if (at("cancel")) at("cancel").hidden = state.state === "finished" || state.state === "canceling";
  renderElapsed(state);
}

/** Show the state in the tab's icon, for who has many of them open. */
function showIcon(tone) {
  const link = document.querySelector('link[rel="icon"]');
  const address = link.href.replace(/labbook(-[a-z]+)?\.svg$/, `labbook-${tone}.svg`);
  if (link.href !== address) link.href = address;
}

/** Times that go on by themselves. */
export function renderElapsed(state) {
  const started = epoch(state.started_at);
  at("fact-started").hidden = started === null;
  if (started !== null) put(value("fact-started"), String(started), [timeOf(started)]);
  const from = started ?? epoch(state.submitted_at);
  const to = epoch(state.finished_at) ?? serverNow();
  setText(at("fact-elapsed").querySelector("dt"), started === null ? "Waited" : state.finished_at ? "Took" : "Elapsed");
  put(value("fact-elapsed"), duration(to - from), [
    h("b", {}, duration(to - from)),
    h("span", { class: "t3" }, ` limit ${duration(state.timeout)}`),
  ]);
}

function renderBoard(state) {
  if (!state.board) return;
  const vms = state.nodes.length - 1;
  put(value("fact-board"), state.board, [
    h("a", { href: `/boards/${encodeURIComponent(state.board)}/` }, state.board),
    " ",
    h("span", { class: "t3" }, `+ ${vms} VM${vms === 1 ? "" : "s"}`),
  ]);
}

function renderNote(state) {
  const note = at("failure");
  const words = noteOf(state);
  note.hidden = !words;
  note.classList.toggle("e", state.outcome === "incomplete");
  note.classList.toggle("w", state.state === "canceling");
  setText(note.querySelector("span"), words);
}

function noteOf(state) {
  const { failure: why, cancel } = state;
  if (state.state === "canceling") {
    const closed = state.nodes.filter((node) => node.index && node.closed).length;
    return `Cancelling, ${closed} of ${state.nodes.length - 1} VMs closed. ${byWhom(cancel)}`;
  }
  if (state.outcome === "canceled") return `Cancelled. ${byWhom(cancel)}`;
  if (!why) return "";
  const node = state.nodes.find((one) => one.index === why.node);
  const where = [node && `on ${node.name}`, why.action && `in ${why.action}`].filter(Boolean).join(" ");
  return `${KINDS[why.kind] ?? why.kind}${where ? ` ${where}` : ""}: ${why.message}`;
}

function byWhom(cancel) {
  if (!cancel) return "";
  return `Asked for by ${cancel.by}${cancel.reason ? `: ${cancel.reason}` : ", without a reason"}.`;
}

function renderLineage(state) {
  const again = state.resubmitted_as ?? [];
  at("fact-again").hidden = !again.length;
  put(
    value("fact-again"),
    again.join(),
    again.map((id) => h("a", { class: "mono", href: `/jobs/${id}/` }, `#${id}`)),
  );
}

function renderQueue(state) {
  at("queue").hidden = state.state !== "queued";
  if (state.state !== "queued") return;
  const reasons = state.waiting?.length
    ? state.waiting
    : [{ board: state.host_type, reason: "No board stands in the way: it starts in a moment." }];
  const start = at("queue-start");
  start.hidden = !state.expected_start;
  if (state.expected_start) {
    start.firstElementChild.dataset.in = state.expected_start;
    setText(start.firstElementChild, about(epoch(state.expected_start) - serverNow()));
  }
  put(
    at("queue-reasons"),
    JSON.stringify(reasons),
    reasons.flatMap(({ board, reason }) => [h("dt", {}, board), h("dd", {}, reason)]),
  );
}
