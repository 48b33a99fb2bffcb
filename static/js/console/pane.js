// A console on the page: a window of rows onto a log of any length. Follows the end until the reader scrolls
// away; from then on nothing moves, and a chip counts what came.
import { grouped, plural } from "../words.js";
import { setText } from "../dom.js";
import { fill, gutterText, rowOf } from "./row.js";

export const MOST_ROWS = 2000;
export const FOLLOWED_ROWS = 400; // while nobody reads further up: the fewer rows, the cheaper each new line
const STEP = 500; // rows that "earlier lines" and "later lines" bring
const NEAR_END = 4; // pixels
const NEAR_TOP = 200;

export class Pane {
  /** element: the .con section; buffer: its LineBuffer; fetchLines(from, count): lines from the server. */
  constructor({ element, name, buffer, fetchLines }) {
    this.element = element;
    this.name = name;
    this.buffer = buffer;
    this.fetchLines = fetchLines;
    this.body = element.querySelector(".con-b");
    this.rows = element.querySelector(".con-rows");
    this.earlier = element.querySelector(".con-earlier");
    this.later = element.querySelector(".con-later");
    this.chip = element.querySelector(".con-new");
    this.button = element.querySelector("[data-act=follow]");
    this.following = true;
    this.first = null; // numbers of the first and last line in the window
    this.last = 0;
    this.marked = [];
    this.scrolledTo = null;
    this.body.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.earlier.addEventListener("click", () => this.#more(-1));
    this.later.addEventListener("click", () => this.#more(1));
    this.chip.addEventListener("click", () => this.follow(true));
    this.button.addEventListener("click", () => this.follow(!this.following));
  }

  /** Show what came into the buffer; `settle` scrolls, apart, so that many panes cost one layout. */
  update() {
    if (this.following) this.#appendTail();
    else this.#grow();
    this.#frame();
  }

  settle() {
    if (this.following) this.#scroll(1e9);
  }

  follow(on) {
    this.following = on;
    this.button.setAttribute("aria-pressed", String(on));
    if (on) this.#appendTail();
    this.#frame();
    this.settle();
  }

  /** Show nothing. */
  clear() {
    this.rows.replaceChildren();
    this.first = null;
    this.last = 0;
    this.#frame();
  }

  /** Bring a line into view and mark it, and those up to `to`. Resolves to whether it exists. */
  async goTo(n, to = n) {
    this.follow(false);
    if (!this.#row(n) && !(await this.#windowAround(n))) return false;
    this.mark(n, to);
    const row = this.#row(n);
    if (!row) return false;
    this.#scroll(row.offsetTop - this.body.clientHeight / 3);
    this.#frame();
    return true;
  }

  /** Mark the lines from `n` to `to` that are in the window, and no others. */
  mark(n, to = n) {
    for (const row of this.marked) row.classList.remove("at-line");
    this.marked = [];
    for (let one = Math.max(n, this.first ?? n); one <= Math.min(to, this.last); one += 1) {
      this.marked.push(this.#row(one));
    }
    for (const row of this.marked) row.classList.add("at-line");
  }

  /** Write all times anew without moving the first line in view. */
  relabel() {
    const top = this.body.scrollTop;
    const anchor = [...this.rows.children].find((row) => row.offsetTop + row.offsetHeight > top);
    const before = anchor ? anchor.offsetTop - top : 0;
    for (const row of this.rows.children) {
      setText(row.firstChild, gutterText(row.dataset.at === "" ? null : Number(row.dataset.at)));
    }
    requestAnimationFrame(() => {
      if (this.following) this.settle();
      else if (anchor) this.#scroll(anchor.offsetTop - before);
    });
  }

  /** Return the number of the first line in view, or null. */
  firstInView() {
    const top = this.body.scrollTop;
    const row = [...this.rows.children].find((one) => one.offsetTop + one.offsetHeight > top);
    return row ? Number(row.dataset.n) : null;
  }

  #row(n) {
    if (this.first === null || n < this.first || n > this.last) return null;
    return this.rows.children[n - this.first] ?? null;
  }

  #appendTail() {
    const end = this.buffer.last;
    if (!end) return;
    const from = Math.max(this.buffer.first, end - FOLLOWED_ROWS + 1);
    if (this.first === null || this.last < from - 1 || this.last > end) {
      this.rows.replaceChildren();
      this.first = from;
      this.last = from - 1;
    }
    this.#grow();
    this.#append(this.#kept(this.last + 1, end));
    this.#trimTop(FOLLOWED_ROWS);
  }

  /** The last row may have been a line without its end. */
  #grow() {
    const line = this.last ? this.buffer.get(this.last) : null;
    const row = line && this.#row(this.last);
    if (row && row.shownText !== line.text) {
      fill(row, line);
      row.shownText = line.text;
    }
  }

  #kept(from, to) {
    const lines = [];
    for (let n = from; n <= to; n += 1) lines.push(this.buffer.get(n));
    return lines;
  }

  #append(lines) {
    if (!lines.length) return;
    const fragment = document.createDocumentFragment();
    for (const line of lines) fragment.append(this.#make(line));
    this.rows.append(fragment);
    this.last = lines.at(-1).n;
  }

  #make(line) {
    const row = rowOf(this.name, line);
    row.shownText = line.text;
    return row;
  }

  #trimTop(most) {
    const over = this.rows.children.length - most;
    for (let one = 0; one < over; one += 1) this.rows.firstChild.remove();
    if (over > 0) this.first += over;
  }

  async #more(direction) {
    if (this.fetching) return;
    this.fetching = true;
    try {
      await this.#bring(direction);
    } finally {
      this.fetching = false;
    }
  }

  async #bring(direction) {
    const from = direction < 0 ? Math.max(1, this.first - STEP) : this.last + 1;
    const to = direction < 0 ? this.first - 1 : Math.min(this.buffer.last, this.last + STEP);
    const edges = [this.first, this.last];
    const lines = await this.#lines(from, to);
    if (!lines.length || this.first !== edges[0] || this.last !== edges[1]) return;
    this.follow(false);
    if (direction > 0) {
      this.#append(lines);
      const top = this.#anchored(() => this.#trimTop(MOST_ROWS));
      this.#scroll(top);
    } else {
      const top = this.#anchored(() => {
        this.rows.prepend(...lines.map((line) => this.#make(line)));
        this.first = lines[0].n;
        while (this.rows.children.length > MOST_ROWS) {
          this.rows.lastChild.remove();
          this.last -= 1;
        }
        this.#frame();
      });
      this.#scroll(top);
    }
    this.#frame();
  }

  /** Do something to the rows; return where to scroll so that the first line in view stays where it is. */
  #anchored(change) {
    const top = this.body.scrollTop;
    const anchor = [...this.rows.children].find((row) => row.offsetTop + row.offsetHeight > top);
    const before = anchor ? anchor.offsetTop : 0;
    change();
    return anchor?.isConnected ? top + anchor.offsetTop - before : top;
  }

  async #windowAround(n) {
    const lines = await this.#lines(Math.max(1, n - STEP / 2), Math.min(this.buffer.last || n, n + STEP));
    if (!lines.some((line) => line.n === n)) return false;
    this.rows.replaceChildren();
    this.first = lines[0].n;
    this.#append(lines);
    return true;
  }

  /** Lines by number, from the buffer where it has them all, else from the server. */
  async #lines(from, to) {
    if (to < from) return [];
    if (this.buffer.first !== null && from >= this.buffer.first) return this.#kept(from, to);
    return this.fetchLines(from, to - from + 1);
  }

  #scroll(top) {
    this.body.scrollTop = top;
    this.scrolledTo = this.body.scrollTop;
  }

  #scrolled() {
    const top = this.body.scrollTop;
    if (this.scrolledTo !== null && Math.abs(top - this.scrolledTo) < 2) return;
    this.scrolledTo = top;
    const atEnd = this.body.scrollHeight - top - this.body.clientHeight < NEAR_END;
    const reachesEnd = this.last >= this.buffer.last;
    if (this.following && !atEnd) this.follow(false);
    else if (!this.following && atEnd && reachesEnd) this.follow(true);
    else if (!this.following && top < NEAR_TOP && this.first > 1) this.#more(-1);
  }

  #frame() {
    const before = this.first ? this.first - 1 : 0;
    const after = this.buffer.last - this.last;
    this.earlier.hidden = before < 1;
    if (before) setText(this.earlier, `⋯ ${grouped(before)} earlier ${before === 1 ? "line" : "lines"}`);
    const detached = !this.following && after > 0;
    this.later.hidden = !detached;
    if (detached) setText(this.later, `⋯ ${plural(after, "later line")}`);
    this.chip.hidden = !detached;
    if (detached) setText(this.chip.lastChild, plural(after, "new line"));
  }
}
