// What every page has: theme switch, shortcuts, dialogs, and clocks that count up.
import { setText } from "./dom.js";
import { serverNow, setServerTime } from "./job/time.js";
import { bindKeys, showKeys } from "./keys.js";
import { about, ago, epoch } from "./words.js";
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

document.getElementById("theme")?.addEventListener("click", switchTheme);

bindKeys({ theme: switchTheme });
document.getElementById("show-keys")?.addEventListener("click", showKeys);

addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
});

/** Count up in every element with data-since (an ISO time). */
export function tickClocks() {
  for (const one of document.querySelectorAll("[data-since]")) {
    setText(one, ago((Date.now() - Date.parse(one.dataset.since)) / 1000));
  }
}
/** Say how long it still takes in every element with data-in (an ISO time): about, since nobody knows better. */
export function tickEstimates() {
  for (const one of document.querySelectorAll('[data-in]:not([data-in=""])')) setText(one, about(epoch(one.dataset.in) - serverNow()));
}
setServerTime(Number(document.body.dataset.now));
tickClocks();
tickEstimates();
localise();
setInterval(() => (tickClocks(), tickEstimates()), 1000);
