// Results as a tree that fills in: node, suite, case. Rows are made once and only ever updated, so what the
// reader opened, closed or points at stays as it is.
import { h, setText } from "../dom.js";
import { offsetTime } from "../words.js";
import { gutter } from "../console/row.js";
import { dotOf } from "./verdict.js";

const CLASSES = { pass: "pass", fail: "fail", skip: "skip", unknown: "pend" };
const SAID = { pass: "passed", fail: "failed", skip: "skipped", unknown: "unknown" };

export class Results {
  /** open(node, line): show that line of the node's console. */
  constructor(root, tally, { open }) {
    this.root = root;
    this.tally = tally;
    this.open = open;
    this.nodes = new Map();
    this.suites = new Map();
    this.cases = new Map();
    this.running = new Map();
    this.empty = h("div", { class: "empty" }, h("h2"), h("p"));
  }

  /** Show the rows in `changed` and what runs. */
  update(state, changed) {
    for (const result of changed) this.#show(state, result);
    this.#showRunning(state);
    for (const node of state.nodes) {
      const head = this.nodes.get(node.index);
      if (head) head.dot.className = `dot ${dotOf(node)}`;
    }
    this.#showTally(state);
    this.#order(state);
    const over = state.state === "finished";
    setText(this.empty.firstChild, over ? "No results" : "No results yet");
    setText(this.empty.lastChild, over ? "It ended before a test reported one." : "They appear here as tests report them.");
    if (!this.suites.size) this.root.replaceChildren(this.empty);
    else this.empty.remove();
  }

  /** Show what was known at a moment: results after it are still to come. */
  at(state, t) {
    for (const row of this.cases.values()) {
      const future = row.result.at > t;
      if (row.classList.contains("fut") !== future) row.className = `case ${future ? "fut" : CLASSES[row.result.result]}`;
    }
    for (const suite of this.suites.values()) suite.counts = {};
    for (const row of this.cases.values()) {
      const kind = row.result.at > t ? "later" : row.result.result;
      const { counts } = this.#suite(state, row.result.node, row.result.suite);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    for (const suite of this.suites.values()) this.#summary(suite);
    this.#showRunning(state);
    this.#showTally(state);
    for (const node of state.nodes) {
      const head = this.nodes.get(node.index);
      if (head) head.dot.className = `dot ${dotOf(node)}`;
    }
  }

  #show(state, result) {
    const suite = this.#suite(state, result.node, result.suite);
    const key = result.key;
    let row = this.cases.get(key);
    if (!row) {
      row = h("button", { type: "button" }, h("span", { class: "clip" }), h("span", { class: "x clip" }), h("time", { class: "x num" }));
      row.addEventListener("click", () => this.open(row.result.node, row.result.line, row.result));
      this.cases.set(key, row);
      suite.body.append(row);
      suite.counts[result.result] = (suite.counts[result.result] ?? 0) + 1;
    } else if (row.result.result !== result.result) {
      suite.counts[row.result.result] -= 1;
      suite.counts[result.result] = (suite.counts[result.result] ?? 0) + 1;
    }
    row.result = result;
    row.className = `case ${CLASSES[result.result]}`;
    const [name, what, at] = row.children;
    name.replaceChildren(...(result.set ? [h("span", { class: "t3" }, `${result.set} / `)] : []), result.case);
    setText(what, measured(result) || (result.result === "pass" ? "" : result.message));
    setText(at, offsetTime(result.at - gutter.start).replace(/\.\d$/, ""));
    row.title = [`${result.case}: ${SAID[result.result]}`, measured(result), result.message, result.line !== null && result.line !== undefined ? "click to see the line" : ""].filter(Boolean).join(" · ");
    if (result.result === "fail") suite.details.open = true;
    this.#summary(suite);
  }

  #showRunning(state) {
    const now = new Set();
    for (const one of state.running) {
      const key = `${one.node}\n${one.suite}\n${one.case}`;
      now.add(key);
      if (this.running.has(key)) continue;
      const suite = this.#suite(state, one.node, one.suite);
      const row = h("div", { class: "case run" }, h("span", { class: "clip" }, one.case), h("span", { class: "x" }, "running"), h("span"));
      suite.details.open = true;
      suite.body.append(row);
      this.running.set(key, row);
    }
    for (const [key, row] of this.running) {
      if (now.has(key)) row.parentElement.append(row); // stays the last of its suite
      else {
        row.remove();
        this.running.delete(key);
      }
    }
  }

  #suite(state, index, name) {
    const key = `${index}\n${name}`;
    let suite = this.suites.get(key);
    if (suite) return suite;
    const node = this.#node(state, index);
    const count = h("span", { class: "t3" });
    const body = h("div");
    const details = h("details", { open: true }, h("summary", {}, h("span", { class: "grow clip" }, name), count), body);
    suite = { details, body, count, counts: {} };
    // The lab's own checks come last, and closed unless one fails.
    if (name === "lava") details.open = false;
    const own = node.section.querySelector(":scope > .lab-suite");
    if (name === "lava") details.classList.add("lab-suite");
    if (own && name !== "lava") own.before(details);
    else node.section.append(details);
    this.suites.set(key, suite);
    return suite;
  }

  #node(state, index) {
    let node = this.nodes.get(index);
    if (node) return node;
    const known = state.nodes.find((one) => one.index === index);
    const dot = h("span", { class: `dot ${known ? dotOf(known) : "off"}` });
    const section = h("section", {}, h("h3", {}, dot, known?.name ?? `node ${index}`));
    node = { section, dot, index };
    this.nodes.set(index, node);
    return node;
  }

  #order(state) {
    let before = null;
    for (const { index } of state.nodes) {
      const section = this.nodes.get(index)?.section;
      if (!section) continue;
      if (section.parentElement !== this.root) {
        if (before) before.after(section);
        else this.root.prepend(section);
      }
      before = section;
    }
  }

  #summary({ count, counts }) {
    const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
    const failed = counts.fail ?? 0;
    count.className = failed ? "c-fail" : "t3";
    const key = `${failed}/${counts.pass ?? 0}/${total}`;
    const later = counts.later ?? 0;
    if (later && !failed) setText(count, `${total - later} of ${total} in`);
    else setText(count, failed ? `${failed} of ${total} failed` : (counts.pass ?? 0) === total ? `${total} passed` : `${counts.pass ?? 0} of ${total} passed`);
    count.dataset.key = key;
  }

  #showTally({ counts }) {
    const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
    this.tally.hidden = !total;
    const key = JSON.stringify(counts);
    if (!total || this.tally.dataset.key === key) return;
    this.tally.dataset.key = key;
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    for (const [kind, number] of [["fail", counts.fail], ["pass", counts.pass], ["skip", (counts.skip ?? 0) + (counts.unknown ?? 0)]]) {
      if (!number) continue;
      const piece = h("i", { class: `b-${kind}` });
      piece.style.width = `${Math.max(4, (100 * number) / total)}%`;
      bar.append(piece);
    }
    const rest = [counts.skip && `${counts.skip} skipped`, counts.unknown && `${counts.unknown} unknown`].filter(Boolean).join(", ");
    this.tally.replaceChildren(
      bar,
      counts.fail ? h("b", { class: "c-fail" }, `${counts.fail} failed`) : "",
      h("span", {}, `${counts.pass ?? 0} passed`),
      h("span", { class: "t3" }, rest),
    );
  }
}

function measured({ measurement, units }) {
  return measurement === null || measurement === undefined ? "" : `${measurement}${units ? ` ${units}` : ""}`;
}
