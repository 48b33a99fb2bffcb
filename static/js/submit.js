// The editor: line numbers and tints under a plain textarea, problems that lead to their line.
import { h } from "./dom.js";

const area = document.getElementById("definition");
const lines = document.querySelector("#editor pre");
const cursor = document.getElementById("cursor");
const form = document.getElementById("submit");
const LINE_HEIGHT = 18;

let sent = false;
const loaded = area.value;

/** Redraw the numbered lines below the text; `marks` maps line numbers to classes. */
function draw(marks = new Map()) {
  const text = area.value.split("\n");
  while (lines.children.length > text.length) lines.lastChild.remove();
  text.forEach((line, index) => {
    let row = lines.children[index];
    if (!row) {
      row = h("span", { "data-n": index + 1 });
      lines.append(row);
    }
    if (row.textContent !== line) row.textContent = line;
    row.className = marks.get(index + 1) ?? "";
  });
}

function marks() {
  const found = new Map();
  for (const link of document.querySelectorAll("#problems [data-line]")) {
    const kind = link.dataset.severity ?? "er";
    const line = Number(link.dataset.line);
    if (found.get(line) !== "er") found.set(line, kind);
  }
  return found;
}

function offsetOf(line, column) {
  const text = area.value.split("\n");
  const before = text.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  // Columns count characters, offsets UTF-16 units.
  return before + [...(text[line - 1] ?? "")].slice(0, column - 1).join("").length;
}

function goTo(line, column) {
  const at = offsetOf(line, column);
  area.focus({ preventScroll: true });
  area.setSelectionRange(at, at);
  const frame = document.getElementById("editor");
  frame.scrollTop = Math.max(0, (line - 6) * LINE_HEIGHT);
  frame.scrollLeft = 0;
  frame.scrollIntoView({ block: "nearest" });
  showCursor();
}

function showCursor() {
  const before = area.value.slice(0, area.selectionStart).split("\n");
  cursor.textContent = `line ${before.length}, column ${[...before.at(-1)].length + 1}`;
}

area.addEventListener("input", () => {
  // Lines moved: a tint would now mark the wrong one. The list of problems stays as a reminder.
  draw();
  document.getElementById("summary").textContent = "";
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === area) showCursor();
});
document.getElementById("problems").addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  goTo(Number(link.dataset.line), Number(link.dataset.column));
});

const open = document.getElementById("open-file");
open.hidden = false;
open.querySelector("input").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  area.value = await file.text();
  event.target.value = "";
  area.dispatchEvent(new Event("input"));
  area.focus();
});

form.addEventListener("submit", () => {
  sent = true;
});
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    form.requestSubmit(form.querySelector('[value="submit"]'));
  }
});
addEventListener("beforeunload", (event) => {
  if (!sent && area.value !== loaded) event.preventDefault();
});

draw(marks());
const first = document.querySelector("#problems [data-line]");
if (first) goTo(Number(first.dataset.line), Number(first.dataset.column));
else area.focus({ preventScroll: true });
