// One line of a console as an element.
import { h } from "../dom.js";
import { clock, offsetTime } from "../words.js";
import { segments } from "./ansi.js";
import { kindOf } from "./kinds.js";

const STAMP = /^\[\s*\d+\.\d{3,}\]/;
const VERDICT = /(RESULT=)(pass|fail|skip|unknown)\b/;
const TONES = { pass: "ag", fail: "ar", skip: "ay", unknown: "ay" };

/** How the gutter shows times: "rel" since the job's start, "abs" by the clock (UTC), "off". */
export const gutter = { mode: "rel", start: 0 };

export function gutterText(at) {
  if (at === null || at === undefined || gutter.mode === "off") return "·";
  return gutter.mode === "abs" ? clock(at) : offsetTime(at - gutter.start);
}

/** Return the element of a line of `name`'s console. */
export function rowOf(name, line) {
  const id = `${name}-L${line.n}`;
  const row = h(
    "div",
    { id, "data-n": line.n },
    h("a", { href: `#${id}`, tabindex: "-1", title: `line ${line.n}` }, gutterText(line.at)),
    h("span"),
  );
  row.dataset.at = line.at ?? "";
  fill(row, line);
  return row;
}

/** Show the text of a line in its element again: the last line grows until its newline comes. */
export function fill(row, line) {
  const pieces = segments(line.text);
  const text = pieces.map((one) => one.text).join("");
  row.className = kindOf(text);
  row.lastChild.replaceChildren(...(pieces.some((one) => one.classes) ? pieces.map(coloured) : emphasised(text)));
}

function coloured({ text, classes }) {
  return classes ? h("span", { class: classes }, text) : document.createTextNode(text);
}

/** Dim a kernel time stamp and colour a verdict in a line that brings no colours of its own. */
function emphasised(text) {
  const stamp = STAMP.exec(text)?.[0];
  if (stamp) return [h("s", {}, stamp), text.slice(stamp.length)];
  const verdict = VERDICT.exec(text);
  if (!verdict) return [text || " "];
  const at = verdict.index + verdict[1].length;
  return [text.slice(0, at), h("b", { class: TONES[verdict[2]] }, verdict[2]), text.slice(at + verdict[2].length)];
}
