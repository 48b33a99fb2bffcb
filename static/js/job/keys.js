// Single keys of the job page. Never inside a field, never with a modifier.

export function bindKeys({ consoles, keyboards, tabs }) {
  const current = () => {
    const element = document.activeElement?.closest?.(".con") ?? consoles.maximised() ?? document.querySelector(".con.is-sel");
    return [...consoles.panes.values()].find((one) => one.element === element);
  };
  const acts = {
    m: () => consoles.maximise(current().element),
    f: () => current().pane.follow(!current().pane.following),
    w: () => keyboards.toggle(current().index),
    W: () => document.getElementById("wrap").click(),
    r: () => tabs.show("t-results"),
    e: () => tabs.show("t-events"),
    y: () => navigator.clipboard?.writeText(location.href),
    "?": () => document.getElementById("keys").showModal(),
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
