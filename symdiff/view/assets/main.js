// Buttons, keys and pointers; then the page shows itself.

const DIM = 400; // boxes of a graph in which the others fade under the pointer

/** What each button does. */
const actions = {
  first: () => goTo(0),
  previous: () => goTo(now.step - 1),
  play: () => togglePlaying(),
  next: goNext,
  last: () => goTo(steps.length - 1),
  fit: fitAll,
  "zoom-in": () => zoomBy(1.3),
  "zoom-out": () => zoomBy(1 / 1.3),
  "fold-all": foldLarge,
  "unfold-all": unfoldAll,
  theme: switchTheme,
  help: () => toggleHelp(),
};

/** What each key does, wherever nothing is being typed. */
const keys = {
  ArrowRight: goNext,
  ArrowDown: goNext,
  ArrowLeft: actions.previous,
  ArrowUp: actions.previous,
  " ": actions.play,
  Home: actions.first,
  End: actions.last,
  "+": actions["zoom-in"],
  "=": actions["zoom-in"],
  "-": actions["zoom-out"],
  0: fitAll,
  f: fitAll,
  c: () => toggleFold(now.box),
  t: switchTheme,
  "?": actions.help,
  "/": () => byId("search").focus(),
  Escape: escape,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (target.id === "search") return onSearchKey(event);
  const pressed = (key === " " || key === "Enter") && target.closest("button");
  const slid = target.id === "slider" && /^(Arrow|Home|End|Page)/.test(key);
  if (pressed || slid) return; // the element itself does what is expected
  if (key === "Enter" && target.closest("[data-box]")) return onClick(target);
  const action = keys[key];
  if (!action) return;
  event.preventDefault();
  if (key !== " ") togglePlaying(false);
  action();
}

function onSearchKey(event) {
  if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
  if (event.key !== "Escape") return;
  clearSearch();
  event.target.blur();
}

/** Close what is open; then stop searching; then look at nothing. */
function escape() {
  if (!byId("keys").hidden) return toggleHelp(false);
  if (found.length) return clearSearch();
  focusOn(null);
}

function toggleHelp(open = byId("keys").hidden) {
  byId("keys").hidden = !open;
  byId("help").setAttribute("aria-expanded", String(open));
}

/** The box that an element belongs to, if any. */
function boxOf(element) {
  const group = element.closest && element.closest("[data-box]");
  return group ? boxes[group.dataset.box] : null;
}

function onClick(element) {
  const box = boxOf(element);
  togglePlaying(false);
  if (box && !isA(box, "constant")) goToBox(box);
}

/** Show which boxes and wires a box is connected with. */
function hover(box) {
  drawing.classList.toggle("hovering", Boolean(box) && boxes.length <= DIM);
  for (const element of camera.querySelectorAll(".near")) element.classList.remove("near");
  if (!box) return;
  box.element.classList.add("near");
  for (const wire of [...box.incoming, ...box.outgoing]) {
    wire.element.classList.add("near");
    boxes[wire.from].element.classList.add("near");
    boxes[wire.to].element.classList.add("near");
  }
}

/** Names for those who do not see the drawing. */
function labelBoxes() {
  for (const box of boxes) {
    if (isA(box, "constant")) continue;
    const parts = [box.name, isA(box, "operation") ? `= ${box.formula}` : box.kind];
    if (box.value) parts.push(`value ${textOf(box.value)}`);
    if (box.gradient) parts.push(`gradient ${textOf(box.gradient)}`);
    box.element.setAttribute("aria-label", parts.join(", "));
    box.element.setAttribute("role", "button");
    box.element.setAttribute("tabindex", "-1");
  }
}

function listen() {
  for (const [id, action] of Object.entries(actions)) {
    byId(id).addEventListener("click", () => {
      if (id !== "play") togglePlaying(false);
      action();
    });
  }
  document.addEventListener("keydown", onKey);
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
  followPointers(onClick);
  stage.addEventListener("dblclick", (event) => toggleFold(boxOf(event.target)));
  stage.addEventListener("pointerover", (event) => hover(boxOf(event.target)));
  stage.addEventListener("pointerleave", () => hover(null));
  new ResizeObserver(paint).observe(stage);
}

linkElements();
countRegions();
planSteps();
labelBoxes();
drawing.removeAttribute("viewBox"); // from here on the camera scales
drawing.classList.toggle("numbers", facts.numbers);
byId("slider").max = steps.length - 1;
document.querySelector("footer").hidden = steps.length === 1;
applyFolds();
now.step = steps.length - 1;
goTo(now.step);
if (boxes.length > LARGE) foldLarge();
else fitAll();
listen();
return { now, view, steps, boxes, wires, bounds, goTo, goToBox, foldLarge, unfoldAll, toggleFold };
