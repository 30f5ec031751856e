// The steps: inputs, operations forward, the outputs' gradient, nodes backward, everything.

const steps = [];
const PACE = 1400; // milliseconds a step while playing
let playing = 0;

/** List the steps, and note at which of them each box has its value and its gradient. */
function planSteps() {
  const operations = boxes.filter((box) => isA(box, "operation"));
  if (facts.numbers) {
    steps.push({ phase: "inputs", box: null });
    operations.forEach((box) => steps.push({ phase: "forward", box }));
    if (boxes.some((box) => box.gradient)) planBackward(operations);
  }
  steps.push({ phase: "all", box: null });
  number("forward");
  number("backward");
  boxes.forEach((box) => (box.valueAt = isA(box, "input", "constant") ? 0 : Infinity));
  boxes.forEach((box) => (box.gradientAt = Infinity));
  steps.forEach(({ phase, box }, index) => {
    if (phase === "forward") box.valueAt = index;
    if (phase === "backward") box.gradientAt = index;
  });
  const start = steps.findIndex(({ phase }) => phase === "start");
  for (const box of boxes.filter((one) => isA(one, "output"))) {
    box.valueAt = boxes[box.incoming[0].from].valueAt;
    box.gradientAt = start < 0 ? Infinity : start;
  }
}

function planBackward(operations) {
  steps.push({ phase: "start", box: null });
  const inputs = boxes.filter((box) => isA(box, "input"));
  for (const box of [...operations.reverse(), ...inputs]) if (box.gradient) steps.push({ phase: "backward", box });
}

/** Number the steps of a phase: "Forward 2 of 7". */
function number(phase) {
  const found = steps.filter((step) => step.phase === phase);
  found.forEach((step, index) => (step.count = `${index + 1} of ${found.length}`));
}

/** Show a step: what is known by then, and the box that it is about. */
function goTo(index) {
  const from = steps[now.step];
  now.step = Math.max(0, Math.min(steps.length - 1, index));
  const step = steps[now.step];
  showKnown();
  byId("slider").value = now.step;
  byId("step").textContent = describe(step);
  byId("step").title = byId("step").textContent;
  focusOn(step.box, from.box === null);
}

/** Look at a box, or at none: in the panel, in the source, and in the drawing. */
function focusOn(box, near = false) {
  if (now.box) mark(now.box, false);
  now.box = box;
  if (box) {
    reveal(box);
    mark(box, true);
    lookAt(box, near);
  }
  showPanel(box);
  showPlace(box);
}

function mark(box, current) {
  box.element.classList.toggle("current", current);
  box.element.setAttribute("tabindex", current ? "0" : "-1");
  if (current && drawing.contains(document.activeElement)) box.element.focus({ preventScroll: true });
  const phase = steps[now.step].phase;
  const touched = phase === "forward" ? box.incoming : phase === "backward" ? box.outgoing : [...box.incoming, ...box.outgoing];
  for (const wire of [...box.incoming, ...box.outgoing]) wire.element.classList.toggle("current", current && touched.includes(wire));
}

/** Hide what is not known yet. */
function showKnown() {
  const done = steps[now.step].phase === "all";
  for (const box of boxes) {
    const value = done || box.valueAt <= now.step;
    const gradient = done || box.gradientAt <= now.step;
    setKnown(box, box.element, value, gradient);
    for (const wire of box.incoming) {
      setKnown(wire, wire.element, done || boxes[wire.from].valueAt <= now.step, gradient);
    }
  }
}

function setKnown(thing, element, value, gradient) {
  if (thing.hasValue !== value) {
    element.classList.toggle("no-value", !value);
    element.classList.toggle("pending", !value);
  }
  if (thing.hasGradient !== gradient) element.classList.toggle("no-gradient", !gradient);
  thing.hasValue = value;
  thing.hasGradient = gradient;
}

/** A step in one sentence. */
function describe({ phase, box, count }) {
  if (phase === "inputs") return "Forward: the inputs have their values";
  if (phase === "forward") return `Forward ${count}: ${box.name} = ${box.formula} = ${textOf(box.value)}`;
  if (phase === "start") return "Backward: the gradient of the output is 1";
  if (phase === "backward") return `Backward ${count}: ${describeBackward(box)}`;
  return facts.numbers ? "Everything. Press → or Space to go through it" : "";
}

function describeBackward(box) {
  if (isA(box, "input")) return `the gradient of ${box.name} is ${box.total || textOf(box.gradient)}`;
  const parts = box.incoming
    .filter((wire) => wire.downstream)
    .map((wire) => `${textOf(wire.downstream)} to ${boxes[wire.from].name}`);
  return `${box.name} passes back ${parts.join(", ")}`;
}

/** Go to a box: to the step in this phase that is about it, or just look at it. */
function goToBox(box) {
  const target = isA(box, "output") ? boxes[box.incoming[0].from] : box;
  const { phase } = steps[now.step];
  const wanted = phase === "start" || phase === "backward" ? "backward" : "forward";
  const index = phase === "all" ? -1 : steps.findIndex((step) => step.box === target && step.phase === wanted);
  if (index < 0) focusOn(target);
  else goTo(index);
}

/** Go on to the next step; from the last one to the first. */
const goNext = () => goTo(now.step === steps.length - 1 ? 0 : now.step + 1);

function togglePlaying(wanted = !playing) {
  if (playing) clearInterval(playing);
  playing = wanted ? setInterval(playOn, PACE) : 0;
  byId("play").textContent = wanted ? "⏸ Pause" : "▶ Play";
  byId("play").setAttribute("aria-label", wanted ? "Pause" : "Play");
  if (wanted && now.step === steps.length - 1) goTo(0);
}

function playOn() {
  goNext();
  if (now.step === steps.length - 1) togglePlaying(false);
}
