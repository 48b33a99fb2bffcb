// Pages that list things: when the log says that one of them changed, fetch this page again and exchange
// its live regions. What the reader points at or types in is left alone.
import { tickClocks, tickEstimates } from "../page.js";
import { showFeed } from "./feed.js";
import { localise } from "../zone.js";
import { LiveSocket } from "./socket.js";

const LEAST_PAUSE = 1000; // ms between two fetches
const SHARE = 10; // and so many times as long as the last one took: a busy server is asked less often
const OTHERS_PAUSE = 10_000; // ms, where what changed was not what the page is about

const live = document.querySelector("[data-live-topic]");
const topic = live.dataset.liveTopic;
const about = live.dataset.liveBoard; // a board, if the page is about one
let position = Number(document.querySelector("[data-position]")?.dataset.position ?? 0);
let wanted = false;
let busy = false;
let later = null;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  wanted = false;
  clearTimeout(later);
  later = null;
  const begun = performance.now();
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.ok) exchange(new DOMParser().parseFromString(await response.text(), "text/html"));
  } catch {
    wanted = true; // the server is away: the socket says when it is back
  }
  setTimeout(() => {
    busy = false;
    if (wanted) refresh();
  }, Math.max(LEAST_PAUSE, SHARE * (performance.now() - begun)));
}

function exchange(fresh) {
  document.title = fresh.title;
  const icon = document.querySelector('link[rel="icon"]');
  const address = fresh.querySelector('link[rel="icon"]').getAttribute("href");
  if (icon.getAttribute("href") !== address) icon.href = address;
  for (const region of document.querySelectorAll("[data-live-region]")) {
    const other = fresh.getElementById(region.id);
    if (!other || other.innerHTML === region.dataset.drawn) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const marked = [...region.querySelectorAll("input:checked")].map((one) => one.value);
    const folds = new Map([...region.querySelectorAll("details")].map((one) => [nameOf(one), one.open]));
    region.dataset.drawn = other.innerHTML;
    region.replaceChildren(...other.childNodes);
    for (const one of region.querySelectorAll("details")) one.open = folds.get(nameOf(one)) ?? one.open;
    for (const one of region.querySelectorAll("input[type=checkbox]")) one.checked = marked.includes(one.value);
    if (focused) region.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  // A button that was not there before may open a dialog that was not.
  for (const one of fresh.querySelectorAll("dialog[id]")) if (!document.getElementById(one.id)) document.body.append(one);
  tickClocks();
  tickEstimates();
  localise();
  showMarked();
}

/** What tells one folded part from another: its name, or the row it is in. */
function nameOf(details) {
  return details.dataset.name ?? details.closest("tr")?.querySelector("a[href]")?.getAttribute("href") ?? details.textContent.trim().slice(0, 40);
}

/** Comparing wants exactly two. */
function showMarked() {
  const button = document.getElementById("compare-go");
  if (button) button.disabled = document.querySelectorAll("input[form=compare]:checked").length !== 2;
}
document.addEventListener("change", showMarked);
showMarked();

function changed(frame) {
  if (!about || frame.boards?.includes(about)) {
    wanted = true;
    refresh();
  } else {
    later ??= setTimeout(() => {
      wanted = true;
      refresh();
    }, OTHERS_PAUSE);
  }
}

new LiveSocket({
  address: () => `/ws/events/?after=${position}&topic=${topic}`,
  frame: (frame) => {
    position = frame.position;
    showFeed("live", 0, position);
    if (frame.jobs?.length || frame.boards?.length) changed(frame);
  },
  state: (word, attempt) => showFeed(word, attempt, position),
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && wanted) refresh();
});
for (const filter of document.querySelectorAll(".filters select")) {
  filter.addEventListener("change", () => filter.form.requestSubmit());
}
