// The admin in the theme of the other pages: the choice is shared, and made by the same button.
// Runs before the first paint, so that no page flashes in the wrong theme.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("labbook-theme");
    } catch {
      return null; // storage may be forbidden: then the system's theme it is
    }
  };
  const apply = () => {
    document.documentElement.dataset.theme = stored() ?? (system.matches ? "dark" : "light");
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("searchbar")?.setAttribute("aria-label", "Search");
    document.getElementById("theme")?.addEventListener("click", () => {
      const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("labbook-theme", other);
      } catch {
        // Then it lasts as long as this page.
      }
      document.documentElement.dataset.theme = other;
    });
  });
  // Django's pickers of many call nameless elements by a name: only pictures may have one there.
  addEventListener("load", () =>
    setTimeout(() => document.querySelectorAll(".help-tooltip[aria-label]").forEach((one) => one.setAttribute("role", "img"))),
  );
})();
