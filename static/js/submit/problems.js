// The list of problems, each with its place in the text and, where the hint names one, a replacement.
import { h, icon } from "../dom.js";

/** Return line → class for the editor: errors win. */
export function marksOf(problems) {
  const marks = new Map();
  for (const { line, kind } of problems) if (marks.get(line) !== "er") marks.set(line, kind);
  return marks;
}

/** The problems that came with the page. */
export function listedIn(list) {
  return [...list.querySelectorAll("[data-line]")].map((link) => ({
    line: Number(link.dataset.line),
    column: Number(link.dataset.column),
    kind: link.dataset.severity ?? "er",
  }));
}

/** Return the list's item of a problem; `mend` is {right, act} or null. */
export function problemItem({ line, column, path, message, hint, kind }, mend) {
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
    mend ? h("button", { type: "button", class: "btn btn-sm", onclick: mend.act }, `Use ${mend.right}`) : null,
  );
}
