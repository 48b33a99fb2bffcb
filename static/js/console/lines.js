// Lines out of chunks of bytes. Chunks carry their byte offset and the number of newlines before them, so a
// chunk that was seen before is dropped, and one that does not fit is a gap that the caller fills.

const NEWLINE = 10;
export const LONGEST_SHOWN = 16 * 1024; // bytes of a line that are shown; the rest is only counted

/** Return bytes for a base64 text. */
export function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Return the text of a line without its line end; bytes that are no UTF-8 show as replacement characters. */
function textOf(bytes, hidden) {
  const end = bytes.length && bytes[bytes.length - 1] === 13 && !hidden ? bytes.length - 1 : bytes.length;
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, end));
  return hidden ? `${text} … ${hidden} more bytes` : text;
}

export class LineBuffer {
  /** Keeps the last `keep` lines. */
  constructor(keep = 5000) {
    this.keep = keep;
    this.lines = []; // {n: from 1, offset, at, text, whole}
    this.end = null; // byte offset after the last byte, null before the first
    this.lastAt = null;
    this.partial = null; // {n, offset, at, bytes, hidden} of a line without its newline
  }

  /** Number of the first line kept, or null. */
  get first() {
    return this.lines[0]?.n ?? null;
  }

  /** Number of the last line, or 0. */
  get last() {
    return this.lines.at(-1)?.n ?? 0;
  }

  /** Return the line with this number if it is kept. */
  get(n) {
    const line = this.lines[n - (this.first ?? n)];
    return line?.n === n ? line : undefined;
  }

  /** Take {offset, line, at, data}. Returns false, and takes nothing, if bytes before it are missing. */
  push({ offset, line, at, data }) {
    let bytes = data instanceof Uint8Array ? data : bytesOf(data);
    let number = line + 1;
    let start = offset;
    if (this.end !== null) {
      if (offset > this.end) return false;
      bytes = bytes.subarray(this.end - offset); // drops what is known already
      start = this.end;
      number = this.partial ? this.partial.n : this.last + 1;
    }
    if (!bytes.length) return true;
    this.end = start + bytes.length;
    this.lastAt = at;
    this.#split(bytes, start, number, at);
    if (this.lines.length > this.keep + 500) this.lines.splice(0, this.lines.length - this.keep);
    return true;
  }

  #split(bytes, start, number, at) {
    let from = 0;
    while (from < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, from);
      const to = newline < 0 ? bytes.length : newline;
      const piece = bytes.subarray(from, to);
      const line = this.partial ?? { n: number, offset: start + from, at, bytes: new Uint8Array(0), hidden: 0 };
      this.#extend(line, piece);
      const shown = { n: line.n, offset: line.offset, at: line.at, text: textOf(line.bytes, line.hidden), whole: newline >= 0 };
      if (this.partial) this.lines[this.lines.length - 1] = shown;
      else this.lines.push(shown);
      this.partial = newline < 0 ? line : null;
      number = line.n + 1;
      from = to + 1;
    }
  }

  #extend(line, piece) {
    const room = LONGEST_SHOWN - line.bytes.length;
    if (room > 0 && piece.length) {
      const joined = new Uint8Array(line.bytes.length + Math.min(room, piece.length));
      joined.set(line.bytes);
      joined.set(piece.subarray(0, room), line.bytes.length);
      line.bytes = joined;
    }
    line.hidden += Math.max(0, piece.length - Math.max(0, room));
  }
}
