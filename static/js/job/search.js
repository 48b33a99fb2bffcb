// Looking for a text in all consoles: the server finds the lines, the page marks what of them it shows.
import { setText } from "../dom.js";
import { grouped, plural } from "../words.js";

const WAIT = 250; // ms after the last key
const AGAIN = 3000; // ms between two searches while the job goes on to print
const MARKED = "found"; // the highlight's name in the style sheet
const MOST_MARKS = 2000;

/** Return [[node index, line number from 1], …] of what was found, node by node. */
export function hitsOf(nodes) {
  return nodes.flatMap((one) => one.lines.map((line) => [one.node, line + 1]));
}

/** Return the place in `hits` to step to from `at` (null: before all), in a circle; null if there are none. */
export function step(hits, at, by) {
  if (!hits.length) return null;
  if (at === null) return by > 0 ? 0 : hits.length - 1;
  return (at + by + hits.length) % hits.length;
}

/** Return "12 lines: host 2, guest 10". */
export function countWords(nodes, names) {
  const total = nodes.reduce((sum, one) => sum + one.count, 0);
  if (!total) return "nothing found";
  const each = nodes.filter((one) => one.count).map((one) => `${names.get(one.node)} ${grouped(one.count)}`);
  const partly = nodes.some((one) => !one.complete) ? ", not all was looked at in time" : "";
  return `${plural(total, "line")}: ${each.join(", ")}${partly}`;
}

export class Search {
  /** consoles: the page's Consoles; job: its snapshot. */
  constructor(form, consoles, job) {
    this.form = form;
    this.field = form.querySelector("input");
    this.told = form.querySelector("[data-f=found]");
    this.consoles = consoles;
    this.job = job;
    this.names = new Map(job.nodes.map((node) => [node.index, node.name]));
    this.nodes = [];
    this.at = null;
    this.text = "";
    this.searched = -Infinity;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("click", (event) => {
      const button = event.target.closest("[data-step]");
      if (button) this.go(Number(button.dataset.step));
    });
    this.field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#look(), WAIT);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.go(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && this.field.value) {
        event.stopPropagation();
        this.field.value = "";
        this.#look();
      }
    });
    consoles.root.addEventListener("scroll", () => this.#markSoon(), { capture: true, passive: true });
  }

  /** The consoles show something else: mark it; look again, now and then, for what came. */
  changed(state) {
    if (!this.text) return;
    this.#markSoon();
    if (state.state !== "finished" && performance.now() - this.searched > AGAIN) this.#look(true);
  }

  /** Go to the next hit (1) or the one before (-1). */
  async go(by) {
    if (this.field.value !== this.text) await this.#look();
    const hits = hitsOf(this.nodes);
    this.at = step(hits, this.at, by);
    if (this.at === null) return;
    const [node, line] = hits[this.at];
    await this.consoles.goTo(node, line);
    this.#tell();
    this.#mark();
  }

  async #look(again = false) {
    clearTimeout(this.timer);
    const text = this.field.value;
    this.searched = performance.now();
    if (!again) this.at = null;
    this.text = text;
    if (!text) {
      this.nodes = [];
      this.#tell();
      this.#mark();
      return;
    }
    let nodes = [];
    try {
      const response = await fetch(`/api/v1/jobs/${this.job.id}/search/?text=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`${response.status}`);
      ({ nodes } = await response.json());
    } catch {
      if (!again && this.field.value === text) setText(this.told, "could not be searched, try again");
      return;
    }
    if (this.field.value !== text) return; // meanwhile something else is looked for
    this.nodes = nodes;
    this.#tell();
    this.#mark();
  }

  #tell() {
    const words = this.text ? countWords(this.nodes, this.names) : "";
    const place = this.at === null ? "" : `${grouped(this.at + 1)} of `;
    setText(this.told, `${place}${words}`);
    const any = this.nodes.some((one) => one.count);
    for (const button of this.form.querySelectorAll("[data-step]")) button.disabled = !any;
    for (const { index, element } of this.consoles.panes.values()) {
      const count = this.nodes.find((one) => one.node === index)?.count ?? 0;
      const tag = element.querySelector("[data-f=hits]");
      tag.hidden = !count;
      setText(tag, plural(count, "hit"));
    }
  }

  #markSoon() {
    if (!this.text) return;
    this.marking ??= setTimeout(() => this.#mark(), 120);
  }

  /** Mark what is found in the rows that the page has, without touching them. */
  #mark() {
    clearTimeout(this.marking);
    this.marking = undefined;
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.delete(MARKED);
    const wanted = this.text.toLowerCase();
    if (!wanted) return;
    const ranges = [];
    for (const { element } of this.consoles.panes.values()) {
      const box = element.querySelector(".con-b").getBoundingClientRect();
      for (const row of element.querySelector(".con-rows").children) {
        const { top, bottom } = row.getBoundingClientRect();
        if (bottom < box.top || ranges.length > MOST_MARKS) continue;
        if (top > box.bottom) break;
        rangesIn(row.lastChild, wanted, ranges);
      }
    }
    if (ranges.length) CSS.highlights.set(MARKED, new Highlight(...ranges));
  }
}

/** Add a range for every place in `element` that holds the (small) letters of `wanted`. */
function rangesIn(element, wanted, ranges) {
  const text = element.textContent.toLowerCase();
  let at = text.indexOf(wanted);
  if (at < 0) return;
  const pieces = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let from = 0; walker.nextNode(); from += walker.currentNode.length) pieces.push([from, walker.currentNode]);
  const place = (offset) => pieces.findLast(([from]) => from <= offset);
  while (at >= 0) {
    const [startFrom, startNode] = place(at);
    const [endFrom, endNode] = place(at + wanted.length - 1);
    const range = new Range();
    range.setStart(startNode, Math.min(at - startFrom, startNode.length));
    range.setEnd(endNode, Math.min(at + wanted.length - endFrom, endNode.length));
    ranges.push(range);
    at = text.indexOf(wanted, at + wanted.length);
  }
}
