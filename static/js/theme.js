// Runs before the first paint, so that no page flashes in the wrong theme. The choice stays in this browser.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("labbook-theme");
    } catch {
      // Storage may be forbidden: then the system's theme it is.
    }
    document.documentElement.dataset.bsTheme = chosen ?? (system.matches ? "dark" : "light");
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
})();
