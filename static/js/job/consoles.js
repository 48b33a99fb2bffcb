// All consoles of the page: one pane per node, drawn at most once per frame however fast bytes come.
import { setText } from "../dom.js";
import { quiet } from "../words.js";
import { LineBuffer } from "../console/lines.js";
import { Pane } from "../console/pane.js";
import { gutter } from "../console/row.js";
import { serverNow } from "./time.js";
import { renderTransfer } from "./transfer.js";
import { doingOf, dotOf } from "./verdict.js";

const SILENT = 20; // seconds after which silence is worth a word

export class Consoles {
  /**
   * gap(): called when bytes are missing before a chunk; nothing of it was taken. heard(index, chunk): called
   * with every chunk that was taken.
   */
  constructor(root, job, { gap, heard = () => {} }) {
    this.root = root;
    this.job = job;
    this.gap = gap;
    this.heard = heard;
    this.panes = new Map();
    this.dirty = new Set();
    this.drawing = false;
    this.pause = 0; // ms
    for (const element of root.querySelectorAll(".con")) this.#pane(element);
    root.addEventListener("click", (event) => this.#clicked(event));
  }

  #pane(element) {
    const index = Number(element.dataset.node);
    const node = this.job.nodes.find((one) => one.index === index);
    const buffer = new LineBuffer();
    const pane = new Pane({ element, name: node.name, buffer, fetchLines: (from, count) => this.#fetch(index, from, count) });
    this.panes.set(index, { index, name: node.name, element, buffer, pane });
  }

  /** Take chunks by node, as the page or the socket brings them. */
  take(chunks) {
    for (const [index, list] of Object.entries(chunks ?? {})) {
      const one = this.panes.get(Number(index));
      if (!one) continue;
      for (const chunk of list) {
        if (!one.buffer.push(chunk)) {
          this.gap();
          break;
        }
        this.heard(one.index, chunk);
      }
      this.dirty.add(one);
    }
    if (this.dirty.size) this.#soon();
  }

  /** Return the cursors for the socket's address. */
  cursors() {
    return [...this.panes.values()].map(({ index, buffer }) => `${index}:${buffer.end ?? 0}`).join(",");
  }

  /** Show what nodes do now. */
  render(state) {
    for (const node of state.nodes) {
      const one = this.panes.get(node.index);
      if (!one) continue;
      one.element.querySelector(".con-h .dot").className = `dot ${dotOf(node)}`;
      const doing = one.element.querySelector("[data-f=doing]");
      setText(doing, doingOf(node, state.running, state));
      doing.title = doing.textContent;
      renderTransfer(one.element, node, doing.textContent);
      if (state.state === "finished") setText(one.element.querySelector(".con-none"), "It printed nothing");
      const tab = document.querySelector(`#tab-${node.index} .dot`);
      if (tab) tab.className = `dot ${dotOf(node)}`;
    }
    this.renderSilence(state);
  }

  renderSilence(state) {
    for (const node of state.nodes) {
      const timer = this.panes.get(node.index)?.element.querySelector("[data-f=silence]");
      if (!timer) continue;
      const silence = this.silenceOf(node, state);
      timer.hidden = silence <= SILENT;
      if (!timer.hidden) setText(timer, `silent ${quiet(silence)}`);
    }
  }

  /** Return for how many seconds a running node has printed nothing. */
  silenceOf(node, state) {
    const one = this.panes.get(node.index);
    if (!one || node.closed || state.state === "finished" || one.buffer.lastAt === null) return 0;
    return Math.max(0, serverNow() - one.buffer.lastAt);
  }

  /** Bring a line of a node's console into view; on phones the console itself, too. */
  async goTo(index, line, to = line) {
    const one = this.panes.get(index);
    if (!one) return false;
    this.select(index);
    this.#hideFilter();
    const found = await one.pane.goTo(line, to);
    if (found) one.element.scrollIntoView({ block: "nearest" });
    return found;
  }

  /** Go to the line a fragment like client-1-L27 or client-1-L27-L35 names. */
  goToFragment(fragment) {
    const parts = /^(.+)-L(\d+)(?:-L(\d+))?$/.exec(decodeURIComponent(fragment));
    if (!parts) return false;
    const one = [...this.panes.values()].find(({ name }) => name === parts[1]);
    if (!one) return false;
    this.goTo(one.index, Number(parts[2]), Number(parts[3] ?? parts[2]));
    return true;
  }

  select(index) {
    for (const one of this.panes.values()) {
      one.element.classList.toggle("is-sel", one.index === index);
      document.getElementById(`tab-${one.index}`)?.setAttribute("aria-selected", String(one.index === index));
    }
    const chosen = this.panes.get(index).pane;
    if (chosen.following) chosen.follow(true); // a pane that was not shown could not scroll
  }

  followAll() {
    for (const { pane } of this.panes.values()) pane.follow(true);
  }

  setTimes(mode) {
    gutter.mode = mode;
    this.root.classList.toggle("no-ts", mode === "off");
    this.relabel();
  }

  relabel() {
    for (const { pane } of this.panes.values()) pane.relabel();
  }

  setFilter(kind) {
    this.root.classList.toggle("only-warnings", kind === "warnings");
    this.root.classList.toggle("only-lava", kind === "lava");
    for (const { pane } of this.panes.values()) if (pane.following) pane.follow(true);
  }

  /** Maximise a console, or put it back. */
  maximise(element, on = !element.classList.contains("is-max")) {
    for (const { element: one, pane } of this.panes.values()) {
      const max = on && one === element;
      one.classList.toggle("is-max", max);
      one.querySelector("[data-act=max]").setAttribute("aria-pressed", String(max));
      if (pane.following) pane.follow(true);
    }
  }

  maximised() {
    return this.root.querySelector(".con.is-max");
  }

  #hideFilter() {
    if (this.root.matches(".only-warnings, .only-lava")) document.querySelector('#show [data-show=""]').click();
  }

  #clicked(event) {
    const max = event.target.closest("[data-act=max]");
    if (max) this.maximise(max.closest(".con"));
    const link = event.target.closest(".con-rows a");
    if (!link) return;
    event.preventDefault();
    const row = link.parentElement;
    const { index, pane, name } = this.panes.get(Number(row.closest(".con").dataset.node));
    const n = Number(row.dataset.n);
    const from = event.shiftKey && pane.marked.length ? Number(pane.marked[0].dataset.n) : n;
    const [low, high] = [Math.min(from, n), Math.max(from, n)];
    history.replaceState(null, "", `#${name}-L${low}${high > low ? `-L${high}` : ""}`);
    pane.mark(low, high);
    this.select(index);
  }

  /** Lines from the server, which counts from 0. */
  async #fetch(index, from, count) {
    const response = await fetch(`/api/v1/jobs/${this.job.id}/nodes/${index}/console/?lines=${from - 1}:${count}`, {
      headers: { Accept: "application/json" },
    });
    if (!response.ok) return [];
    const { lines } = await response.json();
    return lines.map((one) => ({ ...one, n: one.line + 1, whole: true }));
  }

  /** Draw with the next frame; after a frame that took long, leave the browser as long to itself. */
  #soon() {
    if (this.drawing) return;
    this.drawing = true;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), this.pause);
  }

  #draw() {
    const begun = performance.now();
    const panes = [...this.dirty];
    this.dirty.clear();
    this.drawing = false;
    for (const { pane } of panes) pane.update();
    for (const { pane, element } of panes) {
      pane.settle();
      element.querySelector(".con-none").hidden = pane.buffer.last > 0;
    }
    this.pause = Math.min(500, performance.now() - begun);
    if (this.pause < 8) this.pause = 0;
  }
}
