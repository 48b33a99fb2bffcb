// Single keys that every page has, and those of lists. Never inside a field or a terminal, never with a
// modifier. What a page has besides is bound by its own modules; `?` lists all of them.

const SECOND = 1200; // ms within which the second key of two must follow
const ROWS = "table[data-rows] tbody tr";

/** Whether keys are text to somebody: a field, an editor, a terminal that is written to. */
export function isTyping(event) {
  const target = event.target;
  return Boolean(target.closest?.("input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable], .xterm"));
}

function focusSearch() {
  const search = [...document.querySelectorAll('main input[type="search"], input[type="search"]')].find((one) => one.offsetParent);
  search?.focus();
  return Boolean(search);
}

function go(name) {
  const link = document.querySelector(`[data-go="${name}"]`);
  link?.click();
  return Boolean(link);
}

function currentRow() {
  return document.activeElement?.closest?.(ROWS) ?? null;
}

function moveRow(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter((one) => one.offsetParent);
  const at = rows.indexOf(currentRow());
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  const link = next?.querySelector("a[href]");
  link?.focus();
  return Boolean(link);
}

function markRow() {
  const box = currentRow()?.querySelector("input[type=checkbox]");
  box?.click();
  return Boolean(box);
}

function click(selector) {
  const button = document.querySelector(selector);
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

/** Show the list of keys: the page's own if it has one. */
export function showKeys() {
  const dialog = document.getElementById("keys");
  if (dialog && !dialog.open) dialog.showModal();
  return Boolean(dialog);
}

/** Bind the keys; `theme` switches between light and dark. */
export function bindKeys({ theme }) {
  const single = {
    "/": focusSearch,
    "?": showKeys,
    t: () => (theme(), true),
    n: () => go("n"),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    x: markRow,
    c: () => click("#compare-go"),
    h: () => click('[data-dialog="dlg-check"]'),
  };
  let first = 0; // when `g` was pressed
  addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event)) return;
      if (document.querySelector("dialog[open]")) return;
      const second = event.timeStamp - first < SECOND && first > 0;
      first = event.key === "g" && !second ? event.timeStamp : 0;
      // The first of two keys is heard by others too: alone it may mean something to the page.
      const done = second ? go(event.key) : Boolean(single[event.key]?.());
      if (!done) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
}
