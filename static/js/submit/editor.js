// The text: line numbers and tints under a plain textarea.
import { h, setText } from "../dom.js";
import { placeOf } from "./tree.js";

const LINE_HEIGHT = 18; // px, as in the style sheet

/** Return the editor of a textarea in `frame`; `typed()` is called when somebody changes the text. */
export function makeEditor(frame, area, cursor, typed) {
  const gutter = frame.querySelector("pre");

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

  function showCursor() {
    const { line, column } = placeOf(area.value, area.selectionStart);
    setText(cursor, `line ${line}, column ${column}`);
  }

  function offsetOf(line, column) {
    const lines = area.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    // Columns count characters, offsets UTF-16 units.
    return before + [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
  }

  area.addEventListener("input", typed);
  document.addEventListener("selectionchange", () => {
    if (document.activeElement === area) showCursor();
  });

  return {
    draw,
    /** Replace the text, from outside of it: the view stays where it is. */
    replace(text) {
      const { scrollTop, scrollLeft } = frame;
      area.value = text;
      draw();
      frame.scrollTop = scrollTop;
      frame.scrollLeft = scrollLeft;
    },
    /** Show the first line in which the text differs from an earlier one. */
    reveal(before) {
      const now = area.value.split("\n");
      const line = before.split("\n").findIndex((one, index) => one !== now[index]);
      const top = line * LINE_HEIGHT;
      if (line >= 0 && (top < frame.scrollTop || top > frame.scrollTop + frame.clientHeight - 2 * LINE_HEIGHT)) {
        frame.scrollTop = Math.max(0, top - 5 * LINE_HEIGHT);
      }
    },
    goTo(line, column) {
      const at = offsetOf(line, column);
      area.focus({ preventScroll: true });
      area.setSelectionRange(at, at);
      frame.scrollTop = Math.max(0, (line - 6) * LINE_HEIGHT);
      frame.scrollLeft = 0;
      frame.scrollIntoView({ block: "nearest" });
      showCursor();
    },
  };
}
