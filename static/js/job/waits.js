// Who waits for whom: the node everything waits for comes first.
import { h, icon } from "../dom.js";
import { duration, listed, plural, quiet } from "../words.js";
import { doingOf } from "./verdict.js";

const PATIENCE = 5; // seconds a wait may last before it is worth a word

/** Return the nodes that have waited for longer than a moment, those that wait longest first, the host last. */
export function waitersOf(state, now) {
  return state.nodes
    .filter((node) => node.waits && !node.closed && now - node.waits.since > PATIENCE)
    .sort((a, b) => Number(a.index === 0) - Number(b.index === 0) || a.waits.since - b.waits.since);
}

/** Return the nodes that waiters need and that wait for nobody themselves. */
export function rootsOf(state, now) {
  const needed = new Set(waitersOf(state, now).flatMap((node) => needsOf(state, node)));
  return state.nodes.filter((node) => needed.has(node.name) && !node.waits && !node.closed);
}

function needsOf(state, node) {
  if (node.waits.needs?.length) return node.waits.needs;
  if (node.waits.kind !== "vms") return [];
  return state.nodes.filter((one) => one.index && !one.closed).map((one) => one.name);
}

/** Return what a waiting node needs, in words. */
export function needOf(state, node) {
  const { kind, id, role } = node.waits;
  const needs = needsOf(state, node);
  if (kind === "vms") {
    const vms = state.nodes.filter((one) => one.index);
    const closed = vms.filter((one) => one.closed).length;
    return [`gate: needs ${plural(vms.length, "VM")} closed, ${closed} ${closed === 1 ? "is" : "are"}`];
  }
  if (kind === "sync") {
    return ["is at ", h("code", {}, id), needs.length ? `, still to come: ${listed(needs)}` : ", waits for everybody"];
  }
  const from = needs.length ? listed(needs) : role ? `all of role ${role}` : kind === "wait" ? "anybody" : "all";
  return ["needs ", h("code", {}, id), ` from ${from}`];
}

/** Return the headline of the card. */
export function headline(waiters, roots, open) {
  const everybody = waiters.length + roots.length >= open.length;
  if (!roots.length) {
    if (waiters.length >= open.length) return "Everybody waits: nobody can go on";
    return waiters.length === 1 ? `${waiters[0].name} waits` : `${waiters.length} nodes wait`;
  }
  const who = everybody && waiters.length > 1 ? "Everything waits" : waiters.length === 1 ? `${waiters[0].name} waits` : `${waiters.length} nodes wait`;
  return `${who} on ${listed(roots.map((one) => one.name))}`;
}

/** Draw the chain into its card; the card is hidden where nobody waits. */
export function renderWaits(card, state, now, silenceOf) {
  const waiters = ["running", "canceling"].includes(state.state) ? waitersOf(state, now) : [];
  document.getElementById("top-row").classList.toggle("one", !waiters.length);
  card.hidden = !waiters.length;
  if (!waiters.length) {
    card.replaceChildren();
    return;
  }
  const roots = rootsOf(state, now);
  const open = state.nodes.filter((node) => !node.closed);
  const chain = [
    ...roots.map((node) => rootRow(state, node, silenceOf(node))),
    ...waiters.map((node) =>
      h(
        "li",
        {},
        h("b", {}, node.name),
        h("span", {}, ...needOf(state, node)),
        h("span", { class: "num t3" }, duration(now - node.waits.since)),
      ),
    ),
  ];
  card.replaceChildren(
    h("div", { class: "card-h" }, h("span", { class: "c-wait" }, icon("hourglass")), h("h2", { id: "h-waits" }, headline(waiters, roots, open))),
    h("ol", { class: "chain" }, ...chain),
  );
}

function rootRow(state, node, silence) {
  const silent = silence > 20 ? `, silent for ${quiet(silence)}` : "";
  const doing = node.state === "waiting" ? "not started yet" : `${doingOf(node, state.running)}${silent}`;
  return h("li", { class: "root" }, h("b", {}, node.name), h("span", {}, doing), h("span"));
}
