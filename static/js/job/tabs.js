// A row of tabs as screen readers and keyboards expect it.

/** Make the tabs of `list` work; chosen(panel): called when one is shown. */
export function makeTabs(list, chosen = () => {}) {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const show = (tab, focus = false) => {
    for (const one of tabs) {
      const on = one === tab;
      one.setAttribute("aria-selected", String(on));
      one.tabIndex = on ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !on;
    }
    if (focus) tab.focus();
    chosen(document.getElementById(tab.getAttribute("aria-controls")));
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) show(tab);
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.indexOf(document.activeElement);
    if (at >= 0) show(tabs[(at + step + tabs.length) % tabs.length], true);
  });
  return { show: (id) => show(document.getElementById(id)) };
}
