// What is known of one node: its value, and upstream × local = downstream for each input.

/** Fill the panel for a box; with all parameters for none. */
function showPanel(box) {
  panel.replaceChildren(...(box ? nodePanel(box) : overview()));
  panel.scrollTop = 0;
}

function nodePanel(box) {
  const { phase } = steps[now.step];
  const where = [box.type, box.where].filter(Boolean).join(" · ");
  const parts = [make("h2", "", box.name), make("p", "meta", where)];
  if (isA(box, "operation")) parts.splice(1, 0, make("p", "big", `${box.name} = ${box.formula}`));
  if (box.value) parts.push(...forwardPart(box));
  if (phase !== "inputs" && phase !== "forward" && box.gradient) parts.push(...backwardPart(box));
  if (box.intuition) parts.push(make("h3", "", "In words"), make("p", "words", box.intuition));
  return parts;
}

function forwardPart(box) {
  const parts = [make("h3", "", "Forward: value")];
  for (const wire of box.incoming) {
    const operand = boxes[wire.from];
    if (!isA(operand, "constant")) parts.push(make("p", "meta", [`${operand.name} = `, quantity(operand.value, "value")]));
  }
  parts.push(make("p", "big", [`${box.name} = `, quantity(box.value, "value", true)]), ...details(box.value));
  return parts;
}

function backwardPart(box) {
  const parts = [make("h3", "", "Backward: upstream gradient")];
  const ways = box.outgoing.filter((wire) => gradientOf(wire));
  if (ways.length > 1) {
    for (const wire of ways) parts.push(make("p", "meta", [`from ${boxes[wire.to].name}: `, quantity(gradientOf(wire), "gradient")]));
    parts.push(make("p", "", "The gradients of all ways add up:"));
  }
  const sum = box.total ? make("span", "quantity gradient", box.total) : quantity(box.gradient, "gradient", true);
  parts.push(make("p", "big", sum), ...details(box.gradient));
  const back = box.incoming.filter((wire) => wire.downstream);
  if (back.length) parts.push(make("h3", "", "Downstream = upstream × local"));
  for (const wire of back) parts.push(product(box, wire));
  return parts;
}

/** The gradient that comes back along a wire. */
function gradientOf(wire) {
  const target = boxes[wire.to];
  if (!isA(target, "output")) return wire.downstream;
  return boxes[wire.from].gradient && { text: "1" };
}

/** Upstream, local and downstream gradient for one input. */
function product(box, wire) {
  const operand = boxes[wire.from];
  const cell = (kind, found, name) => make("div", "", [quantity(found, kind), ...maps(found), make("small", "", name)]);
  const element = make("div", "product", [
    make("div", "to", ["to ", make("strong", "", operand.name)]),
    cell("gradient", box.gradient, "upstream"),
    make("span", "", "×"),
    cell("local", wire.local, wire.local && wire.local.shape ? `local, Jacobian ${wire.local.shape}` : "local"),
    make("span", "", "="),
    cell("gradient", wire.downstream, "downstream"),
  ]);
  element.dataset.operand = operand.name;
  return element;
}

/** A number in its colour, in full where there is room for it. */
function quantity(found, kind, full = false) {
  const element = make("span", `quantity ${kind}`, textOf(found));
  if (found && found.exact) element.title = found.exact;
  if (full && found && found.exact && found.exact.length < 26) element.textContent = found.exact.replace(/\.0$/, "").replace("-", "−");
  return element;
}

/** The heat map of an array, if it is one. */
function maps(found) {
  if (!found || !found.picture) return [];
  const image = make("img", "map");
  image.src = found.picture;
  image.alt = `heat map of ${found.shape} numbers`;
  return [image];
}

/** Shape, range and heat map of an array. */
function details(found) {
  if (!found || !found.shape) return [];
  const parts = [`shape ${found.shape}`, `norm ${found.text.replaceAll("‖", "")}`];
  if (found.range) parts.push(`from ${found.range.replace("…", "to")}`);
  if (found.odd) parts.push(`${found.odd} not finite`);
  return [...maps(found), make("p", "meta", parts.join(", "))];
}

/** How many there are of what `noun` names. */
function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** The parameters with their values and gradients. */
function overview() {
  const inputs = boxes.filter((box) => isA(box, "input"));
  const operations = boxes.filter((box) => isA(box, "operation")).length;
  const parts = [make("h2", "", facts.name), make("p", "meta", `${counted(inputs.length, "parameter")}, ${counted(operations, "operation")}`)];
  if (!facts.numbers) return [...parts, make("p", "meta", "Drawn without numbers: a point gives values and gradients.")];
  for (const box of boxes.filter((one) => isA(one, "output"))) {
    parts.push(make("p", "big", [`${box.label} = `, quantity(boxes[box.incoming[0].from].value, "value", true)]));
  }
  if (inputs.length) parts.push(make("h3", "", "Parameters"));
  for (const box of inputs) {
    const gradient = box.gradient ? [", gradient ", quantity(box.gradient, "gradient")] : [];
    parts.push(make("p", "", [make("strong", "", box.name), " = ", quantity(box.value, "value"), ...gradient]));
  }
  return parts;
}

/** Highlight where in the source a box stands. */
function showPlace(box) {
  for (const mark of byId("source").querySelectorAll("mark")) mark.replaceWith(...mark.childNodes);
  byId("source").normalize();
  if (!box || !box.span) return;
  const [line, start, end] = box.span;
  const element = byId("source").children[line];
  const letters = [...element.textContent];
  const marked = make("mark", "", letters.slice(start, end).join(""));
  element.replaceChildren(letters.slice(0, start).join(""), marked, letters.slice(end).join(""));
  const area = byId("source");
  const inside = marked.getBoundingClientRect();
  const outside = area.getBoundingClientRect();
  area.scrollTop += inside.top - outside.top - area.clientHeight / 3;
  area.scrollLeft += Math.max(0, inside.right + 40 - outside.right) + Math.min(0, inside.left - 20 - outside.left);
}
