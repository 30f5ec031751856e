// What the page knows: the graph, the elements that show it, and where the reader is.

const facts = JSON.parse(document.getElementById("data").textContent);
const { boxes, wires } = facts;
const SVG = "http://www.w3.org/2000/svg";

/** The element with that id. */
const byId = (id) => document.getElementById(id);

const stage = byId("stage");
const sheet = byId("sheet");
const drawing = byId("drawing");
const camera = byId("camera");
const panel = byId("panel");

/** The index of the step that is shown, and of the box that is looked at; null for none. */
const now = { step: 0, box: null };

/** Connect facts with elements, and boxes with their wires. */
function linkElements() {
  boxes.forEach((box, number) => Object.assign(box, { number, incoming: [], outgoing: [] }));
  wires.forEach((wire, number) => {
    wire.number = number;
    boxes[wire.from].outgoing.push(wire);
    boxes[wire.to].incoming.push(wire);
  });
  for (const element of camera.querySelectorAll("[data-box]")) boxes[element.dataset.box].element = element;
  for (const element of camera.querySelectorAll("[data-wire]")) {
    const wire = wires[element.dataset.wire];
    wire.element = element;
    wire.line = element.querySelector(".line");
    wire.tip = element.querySelector(".tip");
    wire.texts = [...element.querySelectorAll("text")];
  }
  for (const element of camera.querySelectorAll("[data-branch]")) boxes[element.dataset.branch].branch = element;
}

/** A new element of HTML; `content` is text, an element, or a list of these. */
function make(tag, className = "", content = []) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...[content].flat());
  return element;
}

/** A new element of SVG inside `parent`. */
function makeSvg(parent, tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  parent.append(element);
  return element;
}

/** The text of a number, or of what is known of an array; a dash for none. */
const textOf = (quantity) => (quantity ? quantity.text : "–");

/** Whether a box is an operation, a parameter, ... */
const isA = (box, ...kinds) => kinds.includes(box.kind);
