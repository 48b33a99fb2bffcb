// The page of a webhook: while messages are on their way, look again what has become of them.
import { localise } from "./zone.js";

const EVERY = 1500;

async function look() {
  const log = document.getElementById("log");
  if (log === null || !("pending" in log.dataset)) return;
  if (!document.hidden && !log.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("log");
      if (answer.ok && fresh !== null) {
        log.replaceWith(fresh);
        localise();
      }
    } catch {
      // The lab restarts, perhaps: asked again below.
    }
  }
  setTimeout(look, EVERY);
}

if (new URL(location.href).pathname.endsWith("/secret")) history.replaceState(null, "", location.pathname.replace(/secret$/, ""));
setTimeout(look, EVERY);
