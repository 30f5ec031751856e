"use strict";

/** Light where it is dark, and dark where it is light; remembered where the system has it otherwise. */
const switchTheme = (() => {
  const root = document.documentElement;
  const key = "symdiff-theme";
  const preferred = () => matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  // Where pages may not store anything, the choice lasts as long as the page.
  const stored = (use) => { try { return use(localStorage); } catch { return null; } };
  const chosen = stored((store) => store.getItem(key));
  if (chosen) root.dataset.theme = chosen;
  return () => {
    const theme = (root.dataset.theme ?? preferred()) === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    stored((store) => theme === preferred() ? store.removeItem(key) : store.setItem(key, theme));
  };
})();
for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.addEventListener("click", switchTheme);
}
