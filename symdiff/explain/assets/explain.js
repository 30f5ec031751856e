"use strict";
{
  // By key, every element that belongs to it.
  const byKey = new Map();
  const keysOf = (element) => (element.dataset.keys ?? "").split(" ").filter(Boolean);
  for (const element of document.querySelectorAll("[data-keys]")) {
    for (const key of keysOf(element)) {
      if (!byKey.has(key)) byKey.set(key, []);
      byKey.get(key).push(element);
    }
  }
  const panes = [...document.querySelectorAll(".pane")];
  const status = document.getElementById("status");
  let lit = [];
  let kept = null;

  const clear = () => {
    for (const element of lit) element.classList.remove("lit", "near");
    lit = [];
  };

  // Light up what belongs to an element, and more faintly what belongs to the parts inside of it.
  const show = (element) => {
    clear();
    if (!element) return mark();
    const own = keysOf(element);
    const inner = new Set();
    for (const part of element.querySelectorAll("[data-keys]")) keysOf(part).forEach((k) => inner.add(k));
    const light = (keys, name) => {
      for (const key of keys) {
        for (const other of byKey.get(key) ?? []) {
          if (other.classList.contains("lit") || other.classList.contains("near")) continue;
          other.classList.add(name);
          lit.push(other);
        }
      }
    };
    light(own, "lit");
    light(inner, "near");
    mark();
  };

  // Ticks beside the scroll bars: where in a long text the lit lines are.
  const mark = () => {
    for (const pane of panes) {
      const ticks = pane.querySelector(".ticks");
      const lines = pane.querySelector(".lines");
      ticks.textContent = "";
      if (pane.hidden) continue;
      const top = lines.getBoundingClientRect().top - lines.scrollTop;
      const places = new Set();
      for (const line of pane.querySelectorAll(".line.lit")) {
        const box = line.getBoundingClientRect();
        if (box.height) places.add(Math.round(((box.top - top) / lines.scrollHeight) * 250) / 250);
      }
      for (const place of places) {
        const tick = document.createElement("i");
        tick.style.top = `${100 * place}%`;
        ticks.append(tick);
      }
    }
  };

  const count = (pane) => pane.querySelectorAll(".line.lit").length;
  const name = (pane) => pane.getAttribute("aria-label");

  // Bring the first lit line into view in every pane but the one that was used.
  const reveal = (from) => {
    for (const pane of panes) {
      if (pane.hidden || pane.contains(from)) continue;
      const line = [...pane.querySelectorAll(".line.lit")].find((l) => l.getClientRects().length);
      if (!line) continue;
      const lines = pane.querySelector(".lines");
      const offset = line.getBoundingClientRect().top - lines.getBoundingClientRect().top;
      lines.scrollTop += offset - lines.clientHeight / 3;
    }
    const found = panes.filter((p) => !p.hidden && count(p)).map((p) => `${name(p)} ${count(p)}`);
    status.textContent = found.length ? `lines: ${found.join(", ")}` : "";
  };

  const keep = (element) => {
    if (kept) kept.classList.remove("kept");
    kept = element && element !== kept ? element : null;
    if (kept) kept.classList.add("kept");
    show(kept ?? element);
    if (kept) reveal(kept);
    else status.textContent = "";
  };

  const part = (event) => event.target.closest?.("[data-keys]") ?? null;
  document.addEventListener("mouseover", (event) => { if (!kept) show(part(event)); });
  document.addEventListener("click", (event) => {
    const element = part(event);
    if (element) keep(element);
  });

  // With the keyboard: arrows walk within a text, Enter keeps, Escape lets go.
  const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity };
  let current = null;
  const walk = (box, by) => {
    const stops = [...box.querySelectorAll("[data-keys]")].filter((e) => e.getClientRects().length);
    if (!stops.length) return;
    const at = stops.indexOf(current);
    const next = at < 0 ? 0 : Math.max(0, Math.min(stops.length - 1, at + by));
    current?.classList.remove("current");
    current = stops[next];
    current.classList.add("current");
    current.scrollIntoView({ block: "nearest", behavior: "instant" });
    if (!kept) show(current);
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      current?.classList.remove("current");
      current = null;
      if (kept) keep(kept);
      clear();
      mark();
      return;
    }
    const box = event.target.closest?.("[data-walk]");
    if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in steps) {
      walk(box, steps[event.key]);
      event.preventDefault();
    } else if (event.key === "Enter" && current && box.contains(current)) {
      keep(current);
      event.preventDefault();
    }
  });

  // As many columns as fit, and no row shorter than it has to be.
  const arrange = () => {
    const box = document.querySelector(".panes");
    const shown = panes.filter((pane) => !pane.hidden).length || 1;
    const fitting = Math.max(1, Math.floor(box.clientWidth / 400));
    const rows = Math.ceil(shown / fitting);
    box.style.setProperty("--columns", Math.ceil(shown / rows));
    mark();
  };
  addEventListener("resize", arrange);
  arrange();

  // Which texts are there.
  for (const button of document.querySelectorAll("[data-pane]")) {
    button.addEventListener("click", () => {
      const pane = document.getElementById(`pane-${button.dataset.pane}`);
      pane.hidden = !pane.hidden;
      button.setAttribute("aria-pressed", String(!pane.hidden));
      arrange();
    });
  }
  for (const pane of panes) pane.addEventListener("toggle", mark, true);
}
