// The editor: line numbers and tints under a plain textarea; the server checks the text while it is typed.
import { h, icon, setText } from "./dom.js";
import { listed, plural } from "./words.js";

const LINE_HEIGHT = 18; // px, as in the style sheet
const PAUSE = 400; // ms without a key before the text is checked

const form = document.getElementById("submit");
const area = document.getElementById("definition");
const frame = document.getElementById("editor");
const gutter = frame.querySelector("pre");
const list = document.getElementById("problems");
const summary = document.getElementById("summary");
const title = document.title.replace(/^\d+ problems? · /, "");
const loaded = area.value;

let sent = false;
let timer = null;
let round = 0; // of checks: an answer that was overtaken is dropped

/** Number the lines, and tint those of `marks` (line → class). */
function draw(marks = new Map()) {
  const lines = area.value.split("\n");
  while (gutter.children.length > lines.length) gutter.lastChild.remove();
  lines.forEach((line, index) => {
    const row = gutter.children[index] ?? gutter.appendChild(h("span", { "data-n": index + 1 }));
    setText(row, line);
    row.className = marks.get(index + 1) ?? "";
  });
}

function marksOf(problems) {
  const marks = new Map();
  for (const { line, kind } of problems) if (marks.get(line) !== "er") marks.set(line, kind);
  return marks;
}

/** The problems that came with the page. */
function listedProblems() {
  return [...list.querySelectorAll("[data-line]")].map((link) => ({
    line: Number(link.dataset.line),
    kind: link.dataset.severity ?? "er",
  }));
}

async function check() {
  clearTimeout(timer);
  if (!area.value.trim()) return show([], "");
  round += 1;
  const mine = round;
  const response = await fetch("/api/v1/validate/", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    body: JSON.stringify({ definition: area.value }),
  });
  if (!response.ok) throw new Error(`validate: ${response.status}`);
  const { valid, problems, warnings, nodes } = await response.json();
  if (mine !== round) return null;
  const all = [...problems.map((one) => ({ ...one, kind: "er" })), ...warnings.map((one) => ({ ...one, kind: "wa" }))];
  show(all, valid ? `Valid: ${listed(nodes.map((node) => node.name))}` : plural(problems.length, "problem"), valid);
  return all;
}

function show(problems, words, valid = true) {
  draw(marksOf(problems));
  list.replaceChildren(...problems.map(item));
  setText(summary, words);
  summary.className = valid ? "c-pass" : "c-fail";
  area.setAttribute("aria-invalid", String(!valid));
  document.title = valid ? title : `${words} · ${title}`;
}

function item({ line, column, path, message, hint, kind }) {
  const error = kind === "er";
  const place = { href: "#definition", "data-line": line, "data-column": column, "data-severity": kind };
  return h(
    "li",
    {},
    h("span", { class: error ? "c-fail" : "c-wait" }, icon(error ? "alert-circle" : "alert-triangle")),
    h(
      "span",
      {},
      path ? h("b", {}, path) : null,
      path ? " " : null,
      message,
      hint ? h("span", { class: "t2" }, ` (${hint})`) : null,
      h("br"),
      h("a", { class: "mono", ...place }, `line ${line}, column ${column}`),
    ),
  );
}

function offsetOf(line, column) {
  const lines = area.value.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  // Columns count characters, offsets UTF-16 units.
  return before + [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
}

function goTo(line, column) {
  const at = offsetOf(line, column);
  area.focus({ preventScroll: true });
  area.setSelectionRange(at, at);
  frame.scrollTop = Math.max(0, (line - 6) * LINE_HEIGHT);
  frame.scrollLeft = 0;
  frame.scrollIntoView({ block: "nearest" });
  showCursor();
}

function goToFirst(problems) {
  if (problems?.length) goTo(problems[0].line, problems[0].column);
}

function showCursor() {
  const before = area.value.slice(0, area.selectionStart).split("\n");
  setText(document.getElementById("cursor"), `line ${before.length}, column ${[...before.at(-1)].length + 1}`);
}

area.addEventListener("input", () => {
  draw(); // lines may have moved: old tints would mark the wrong ones
  clearTimeout(timer);
  timer = setTimeout(() => check().catch(() => setText(summary, "")), PAUSE);
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === area) showCursor();
});
list.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  goTo(Number(link.dataset.line), Number(link.dataset.column));
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "validate") {
    sent = true;
    return;
  }
  event.preventDefault();
  check().then(goToFirst, () => {
    sent = true; // the page that answers shows the problems, or why there is no answer
    form.submit();
  });
});
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    form.requestSubmit(form.querySelector('[value="submit"]'));
  }
});
addEventListener("beforeunload", (event) => {
  if (!sent && area.value !== loaded) event.preventDefault();
});

const open = document.getElementById("open-file");
open.hidden = false;
open.querySelector("input").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  area.value = await file.text();
  event.target.value = "";
  draw();
  check().then(goToFirst, () => {});
  area.focus();
});

const given = listedProblems();
draw(marksOf(given));
const first = list.querySelector("[data-line]");
if (first) goTo(Number(first.dataset.line), Number(first.dataset.column));
else {
  area.focus({ preventScroll: true });
  area.setSelectionRange(0, 0);
}
