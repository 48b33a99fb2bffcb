// The light in the header, and the note that says when the page may be behind.
import { setText } from "../dom.js";

const NOTE_AFTER = 2; // attempts: a restart of the server is over before anybody needs to read about it

let lostAt = null;

/** Show the state of the feed: "live", "lost" or "refused", and up to which event the page is. */
export function showFeed(state, attempt, position) {
  const light = document.getElementById("feed");
  const note = document.getElementById("feed-note");
  light.hidden = false;
  light.classList.toggle("off", state !== "live");
  const words = { live: "Live ", lost: "Reconnecting ", refused: "Not live " }[state];
  if (light.firstChild.data !== words) light.firstChild.data = words;
  setText(light.querySelector(".mono"), `#${position}`);
  light.title = `Everything up to event ${position} is shown.`;
  if (state === "live") lostAt = null;
  else lostAt ??= new Date();
  note.hidden = state === "live" || (state === "lost" && attempt < NOTE_AFTER);
  if (note.hidden) return;
  const since = lostAt.toISOString().slice(11, 19);
  setText(
    note.querySelector("span"),
    state === "refused"
      ? "This page no longer updates by itself: your permission ended or you are logged out. Reload it."
      : `Live feed lost at ${since} UTC. Jobs go on; this shows everything up to event ${position}. ` +
          `Reconnecting, attempt ${attempt}, then everything missed is loaded.`,
  );
}
