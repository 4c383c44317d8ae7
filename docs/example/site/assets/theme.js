"use strict";
// Loaded before the page is drawn, so that it never flashes in the other theme, nor lays out rows
// that tables.js puts on later pages.
(function () {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function remembered() {
    try {
      return localStorage.getItem("jina-eval-theme");
    } catch {
      return null; // a browser that keeps nothing for pages from disk
    }
  }

  function show(theme) {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  }

  show(remembered());
  root.dataset.scripts = "";
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => (button.textContent = isDark() ? "Light theme" : "Dark theme");
    button.hidden = false;
    label();
    dark.addEventListener("change", label);
    button.addEventListener("click", () => {
      const theme = isDark() ? "light" : "dark";
      show(theme);
      label();
      try {
        localStorage.setItem("jina-eval-theme", theme);
      } catch {
        // then it holds for this page alone
      }
    });
  });
})();
