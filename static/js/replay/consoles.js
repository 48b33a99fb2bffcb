// The consoles of a replay: each shows its last lines up to the moment.
import { Pane, FOLLOWED_ROWS } from "../console/pane.js";
import { gutter } from "../console/row.js";
import { setText } from "../dom.js";
import { doingOf, dotOf } from "../job/verdict.js";
import { ReplayBuffer } from "./buffer.js";

const AHEAD = 250; // lines that are fetched before they are needed

export class Consoles {
  /** clicked(t): somebody wants to go to the time of a line. */
  constructor(root, job, { clicked }) {
    this.root = root;
    this.job = job;
    this.clicked = clicked;
    this.all = [...root.querySelectorAll(".con")].map((element) => this.#make(element));
    root.addEventListener("click", (event) => this.#onClick(event));
  }

  #make(element) {
    const index = Number(element.dataset.node);
    const name = this.job.nodes.find((one) => one.index === index).name;
    const fetchLines = (from, count) => this.#lines(index, from, count);
    const buffer = new ReplayBuffer([], fetchLines);
    return { index, name, element, buffer, pane: new Pane({ element, name, buffer, fetchLines }) };
  }

  /** Ask when the consoles grew. */
  async load() {
    await Promise.all(
      this.all.map(async ({ index, buffer }) => {
        const answer = await this.#ask(index, "times=1");
        if (answer) buffer.times = answer.times;
      }),
    );
  }

  /** Return the times of all consoles. */
  times() {
    return this.all.map(({ buffer }) => buffer.times);
  }

  /** Return when any of them printed. */
  moments() {
    return this.times().flatMap((times) => times.map(([at]) => at));
  }

  /** Show them as they were. */
  at(then, t) {
    for (const one of this.all) {
      const node = then.nodes.find((known) => known.index === one.index);
      one.element.querySelector(".con-h .dot").className = `dot ${dotOf(node)}`;
      const tab = document.querySelector(`#tab-${one.index} .dot`);
      if (tab) tab.className = `dot ${dotOf(node)}`;
      setText(one.element.querySelector("[data-f=doing]"), doingOf(node, then.running));
      if (!one.buffer.at(t)) continue;
      if (one.buffer.has(FOLLOWED_ROWS)) this.#show(one);
      this.#fetch(one);
    }
  }

  /** Fetch what is needed now and soon; show it when it came, unless the moment has gone on to another. */
  async #fetch(one) {
    const complete = one.buffer.has(FOLLOWED_ROWS);
    await one.buffer.load(FOLLOWED_ROWS, AHEAD);
    if (!complete) this.#show(one);
  }

  #show({ pane, buffer, element }) {
    element.querySelector(".con-none").hidden = buffer.size > 0;
    if (pane.last > buffer.last && !pane.following) pane.follow(true);
    if (!buffer.last) {
      pane.clear();
      return;
    }
    pane.update();
    pane.settle();
  }

  /** Return {node, at} of the line that a fragment such as client-1-L27 names, or null. */
  async timeOf(fragment) {
    const parts = /^(.+)-L(\d+)/.exec(decodeURIComponent(fragment));
    const one = parts && this.all.find(({ name }) => name === parts[1]);
    if (!one) return null;
    const [line] = await this.#lines(one.index, Number(parts[2]), 1);
    return line ? { node: one.index, at: line.at } : null;
  }

  select(index) {
    for (const one of this.all) {
      one.element.classList.toggle("is-sel", one.index === index);
      one.element.classList.toggle("at", one.index === index);
      document.getElementById(`tab-${one.index}`)?.setAttribute("aria-selected", String(one.index === index));
      if (one.index === index) one.pane.follow(true);
    }
  }

  focus(place) {
    const one = this.all[place];
    if (!one) return;
    this.select(one.index);
    one.element.querySelector(".con-b").focus();
  }

  setTimes(mode) {
    gutter.mode = mode;
    this.root.classList.toggle("no-ts", mode === "off");
    for (const { pane } of this.all) pane.relabel();
  }

  maximise(element = this.#current().element, on = !element.classList.contains("is-max")) {
    for (const one of this.all) {
      const max = on && one.element === element;
      one.element.classList.toggle("is-max", max);
      one.element.querySelector("[data-act=max]").setAttribute("aria-pressed", String(max));
      if (one.pane.following) one.pane.settle();
    }
  }

  restore() {
    this.maximise(this.#current().element, false);
  }

  toggleFollow() {
    const { pane } = this.#current();
    pane.follow(!pane.following);
  }

  #current() {
    const focused = document.activeElement?.closest?.(".con") ?? this.root.querySelector(".con.is-max, .con.is-sel");
    return this.all.find(({ element }) => element === focused) ?? this.all[0];
  }

  #onClick(event) {
    const max = event.target.closest("[data-act=max]");
    if (max) this.maximise(max.closest(".con"));
    const link = event.target.closest(".con-rows a");
    if (!link) return;
    event.preventDefault();
    const row = link.parentElement;
    this.select(Number(row.closest(".con").dataset.node));
    if (row.dataset.at !== "") this.clicked(Number(row.dataset.at));
  }

  async #lines(index, from, count) {
    const answer = await this.#ask(index, `lines=${from - 1}:${count}`);
    return (answer?.lines ?? []).map((one) => ({ ...one, n: one.line + 1, whole: true }));
  }

  async #ask(index, query) {
    const response = await fetch(`/api/v1/jobs/${this.job.id}/nodes/${index}/console/?${query}`, { headers: { Accept: "application/json" } });
    return response.ok ? response.json() : null;
  }
}
