// Single keys of the job page. Never inside a field, never with a modifier.

const SAID = 2500; // ms that "copied" stays

/** Copy the address of the marked lines, or else of the first line in view. */
export async function copyLink({ name, pane }) {
  const marked = pane.marked.map((row) => Number(row.dataset.n));
  const [low, high] = marked.length ? [marked[0], marked.at(-1)] : [pane.firstInView(), null];
  if (!low) return;
  const fragment = `#${name}-L${low}${high > low ? `-L${high}` : ""}`;
  const told = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(new URL(fragment, location.href).href);
    told.textContent = `Copied: ${fragment}`;
  } catch {
    told.textContent = "The browser does not let this page copy.";
  }
  setTimeout(() => (told.textContent = ""), SAID);
}

export function bindKeys({ consoles, keyboards, search, tabs }) {
  const current = () => {
    const element = document.activeElement?.closest?.(".con") ?? consoles.maximised() ?? document.querySelector(".con.is-sel");
    return [...consoles.panes.values()].find((one) => one.element === element);
  };
  const acts = {
    m: () => consoles.maximise(current().element),
    f: () => current().pane.follow(!current().pane.following),
    w: () => keyboards.toggle(current().index),
    W: () => document.getElementById("wrap").click(),
    "[": () => search.go(-1),
    "]": () => search.go(1),
    r: () => tabs.show("t-results"),
    e: () => tabs.show("t-events"),
    y: () => copyLink(current()),
    Escape: () => consoles.maximised() && consoles.maximise(consoles.maximised(), false),
    End: () => document.activeElement?.closest?.(".con") && current().pane.follow(true),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select")) return;
    if (/^[1-9]$/.test(event.key)) {
      const one = [...consoles.panes.values()][Number(event.key) - 1];
      if (!one) return;
      consoles.select(one.index);
      one.element.querySelector(".con-b").focus();
      return;
    }
    acts[event.key]?.();
  });
}
