"use strict";
{
  const root = document.documentElement;
  // Where pages may not store anything, the choice lasts as long as the page.
  const store = (theme) => { try { localStorage.setItem("symdiff-theme", theme); } catch { /* as said */ } };
  const stored = () => { try { return localStorage.getItem("symdiff-theme"); } catch { return null; } };
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  if (stored()) root.dataset.theme = stored();
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
    });
  }
}
