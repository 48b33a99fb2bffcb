// The lines of a console up to a moment, for a pane. Lines are fetched in pages when the moment comes near them.
import { lastUpTo } from "./moment.js";

const PAGE = 500;
const PAGES = 40; // kept in memory: 20,000 lines
const encoder = new TextEncoder();

export class ReplayBuffer {
  /** times: [seconds, bytes, newlines] in order; fetchLines(from, count): lines from the server. */
  constructor(times, fetchLines) {
    this.times = times;
    this.fetchLines = fetchLines;
    this.pages = new Map();
    this.size = 0; // bytes at the moment
    this.newlines = 0; // before the moment
    this.last = 0; // number of the last line, from 1
    this.lastAt = null;
  }

  /** Number of the first line from which on all up to the moment are at hand, or null. */
  get first() {
    if (!this.last) return null;
    let page = pageOf(this.last);
    while (page > 0 && this.pages.get(page - 1)?.lines) page -= 1;
    return page * PAGE + 1;
  }

  /** Move to `t`; returns whether anything of this console is different there. */
  at(t) {
    const place = lastUpTo(this.times, t, (one) => one[0]);
    const [at, size, newlines] = place < 0 ? [null, 0, 0] : this.times[place];
    this.lastAt = at;
    if (size === this.size) return false;
    this.size = size;
    this.newlines = newlines;
    this.#trim();
    return true;
  }

  /** Have the lines around the moment at hand. Resolves when `get` answers for them. */
  async load(behind, ahead) {
    const total = this.times.length ? this.times.at(-1)[2] + 1 : 0;
    const to = Math.min(total, this.newlines + 1 + ahead);
    const wanted = [];
    for (let page = pageOf(Math.max(1, this.newlines - behind)); page <= pageOf(to); page += 1) wanted.push(this.#page(page));
    await Promise.all(wanted);
    this.#trim();
  }

  /** Whether `get` answers for the last `behind` lines now. */
  has(behind) {
    if (!this.size) return true;
    for (let page = pageOf(Math.max(1, this.newlines - behind)); page <= pageOf(this.newlines + 1); page += 1) {
      const kept = this.pages.get(page);
      if (!kept?.lines || !(kept.whole || kept.size >= this.size)) return false;
    }
    return true;
  }

  /** A line after the last newline is there only if a byte of it is. */
  #trim() {
    const line = this.#kept(this.newlines + 1);
    this.last = this.size && line && line.offset < this.size ? this.newlines + 1 : this.newlines;
  }

  #kept(n) {
    return this.pages.get(pageOf(n))?.lines?.[(n - 1) % PAGE];
  }

  /** Return a line as it was at the moment. */
  get(n) {
    const line = this.#kept(n);
    if (!line) return { n, offset: null, at: null, text: "", whole: true };
    if (n <= this.newlines) return line;
    return { ...line, text: cut(line.text, this.size - line.offset), whole: false };
  }

  #page(number) {
    const known = this.pages.get(number);
    if (known && (known.whole || known.size >= this.size || !known.lines)) return known.promise;
    const kept = { size: this.times.at(-1)?.[1] ?? 0, lines: null, whole: false };
    kept.promise = this.fetchLines(number * PAGE + 1, PAGE).then((lines) => {
      kept.lines = lines;
      kept.whole = lines.length === PAGE;
    });
    this.pages.delete(number);
    this.pages.set(number, kept);
    if (this.pages.size > PAGES) this.pages.delete(this.pages.keys().next().value);
    return kept.promise;
  }
}

const pageOf = (n) => Math.floor((n - 1) / PAGE);

/** Return what the first `bytes` bytes of a text say. */
function cut(text, bytes) {
  if (bytes >= text.length * 4) return text;
  const encoded = encoder.encode(text);
  return encoded.length <= bytes ? text : new TextDecoder().decode(encoded.subarray(0, Math.max(0, bytes)));
}
