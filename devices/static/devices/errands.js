// While a worker is at it, look for news: the same page again, of which only the errands are taken.
const EVERY = 1000;

async function look() {
  const shown = document.getElementById("errands");
  if (!shown.hasAttribute("data-busy")) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("errands");
    if (found && found.innerHTML !== shown.innerHTML) shown.replaceWith(found);
  } catch {
    // The lab cannot be reached at the moment: look again.
  }
  setTimeout(look, EVERY);
}

setTimeout(look, EVERY);
