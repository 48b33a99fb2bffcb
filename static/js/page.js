// What every page has: theme switch, shortcuts, dialogs, and clocks that count up.
import { setText } from "./dom.js";
import { duration } from "./words.js";
import { localise } from "./zone.js";

function switchTheme() {
  const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = next;
  try {
    localStorage.setItem("labbook-theme", next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function isTyping(event) {
  return event.target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function focusSearch() {
  const search = [...document.querySelectorAll('input[type="search"]')].find((one) => one.offsetParent);
  search?.focus();
  return Boolean(search);
}

document.getElementById("theme")?.addEventListener("click", switchTheme);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  if (event.key === "t") switchTheme();
  else if (event.key === "/" && focusSearch()) event.preventDefault();
});

addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
});

/** Count up in every element with data-since (an ISO time). */
export function tickClocks() {
  for (const one of document.querySelectorAll("[data-since]")) {
    setText(one, duration((Date.now() - Date.parse(one.dataset.since)) / 1000));
  }
}
tickClocks();
localise();
setInterval(tickClocks, 1000);
