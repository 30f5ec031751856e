// Parts of the graph fold into the box that alone uses them; the rest moves together.

const folded = new Set();
const LARGE = 120; // boxes of a graph that opens folded
const CLOSE = 60; // the widest empty strip that stays when something is folded
let extent = { width: Number(drawing.getAttribute("width")), height: Number(drawing.getAttribute("height")) };
let detours = [];

/** The size of the drawing as it is folded now. */
const bounds = () => extent;

/** How many boxes fold into each. */
function countRegions() {
  boxes.forEach((box) => (box.region = 0));
  for (const box of boxes) if (box.fold !== null) boxes[box.fold].region += box.region + 1;
}

/** Fold a box's part away, or unfold it. */
function toggleFold(box) {
  if (!box || !box.region) return;
  if (!folded.delete(box.number)) folded.add(box.number);
  applyFolds(box);
}

/** Unfold whatever hides a box. */
function reveal(box) {
  if (box.hiddenIn === null) return;
  for (let outer = box.fold; outer !== null; outer = boxes[outer].fold) folded.delete(outer);
  applyFolds();
}

/** Fold parts of middle size, largest first, so that the shape of the whole can be seen. */
function foldLarge() {
  const most = Math.max(12, boxes.length / 8);
  for (const box of boxes) if (box.region >= 5 && box.region <= most) folded.add(box.number);
  applyFolds();
  fitAll();
}

function unfoldAll() {
  folded.clear();
  applyFolds();
  fitAll();
}

/** Show and hide boxes and wires, and close the strips that are empty now. `still` stays in place. */
function applyFolds(still = null) {
  const before = still && still.place;
  for (const box of [...boxes].reverse()) {
    const outer = box.fold === null ? null : boxes[box.fold];
    box.hiddenIn = outer === null ? null : (outer.hiddenIn ?? (folded.has(box.fold) ? box.fold : null));
    box.element.classList.toggle("away", box.hiddenIn !== null);
  }
  for (const wire of wires) {
    wire.hidden = boxes[wire.from].hiddenIn !== null || boxes[wire.to].hiddenIn !== null;
    wire.element.classList.toggle("away", wire.hidden);
  }
  place(folded.size ? CLOSE : Infinity);
  drawDetours();
  boxes.forEach(drawBadge);
  if (before) moveBy((before[0] - still.place[0]) * view.scale, (before[1] - still.place[1]) * view.scale);
}

/** Put everything where it belongs, with empty strips no wider than `widest`. */
function place(widest) {
  const shown = boxes.filter((box) => box.hiddenIn === null);
  const lines = wires.filter((wire) => !wire.hidden);
  const across = shown.map(({ at, size }) => [at[0] - size[0] / 2, at[0] + size[0] / 2]);
  const down = shown.map(({ at, size }) => [at[1] - size[1] / 2, at[1] + size[2]]);
  for (const { text } of lines) if (text) across.push([text[0] - 30, text[0] + 30]);
  for (const { points } of lines) for (const [, y] of points) down.push([y - 16, y + 16]);
  const moveX = squeeze(across, widest);
  const moveY = squeeze(down, widest);
  const move = ([x, y]) => [moveX(x), moveY(y)];
  for (const box of shown) {
    box.place = move(box.at);
    box.element.setAttribute("transform", `translate(${box.place[0]} ${box.place[1]})`);
  }
  for (const wire of lines) placeWire(wire, move);
  for (const box of shown) placeBranch(box, move);
  const far = (spans, moved) => moved(Math.max(0, ...spans.map(([, end]) => end))) + 24;
  extent = { width: far(across, moveX), height: far(down, moveY) };
}

function placeWire(wire, move) {
  const points = wire.points.map(move);
  const [x, y] = points[points.length - 1];
  wire.line.setAttribute("d", curve(points));
  wire.tip.setAttribute("d", `M${x} ${y}l-7 -3.5v7z`);
  if (!wire.text) return;
  const [middle, height] = move(wire.text);
  for (const text of wire.texts) {
    text.setAttribute("x", middle);
    text.setAttribute("y", height + (text.classList.contains("value") ? -4 : 12));
  }
}

function placeBranch(box, move) {
  if (!box.branch) return;
  const shown = box.outgoing.filter((wire) => !wire.hidden);
  box.branch.classList.toggle("away", shown.length < 2);
  const [x, y] = move(box.outgoing[0].points[1]);
  box.branch.setAttribute("cx", x);
  box.branch.setAttribute("cy", y);
}

/** The path of a wire: straight and curved by turns, up to its tip. */
function curve(points) {
  const [last, height] = points[points.length - 1];
  const ends = [...points.slice(0, -1), [last - 7, height]];
  let path = `M${ends[0][0]} ${ends[0][1]}`;
  for (let i = 1; i < ends.length; i++) {
    const [a, b] = ends[i - 1];
    const [c, d] = ends[i];
    path += i % 2 || b === d ? `H${c}` : `C${(a + c) / 2} ${b} ${(a + c) / 2} ${d} ${c} ${d}`;
  }
  return path;
}

/** What maps coordinates so that the spaces between the spans are no wider than `widest`. */
function squeeze(spans, widest) {
  const knots = [[0, 0]]; // places before and after; between them, in proportion
  let end = 0;
  for (const [from, to] of spans.sort((a, b) => a[0] - b[0])) {
    if (from > end) {
      const [, moved] = knots[knots.length - 1];
      knots.push([from, moved + Math.min(from - end, widest)]);
    }
    if (to > end) {
      const [before, moved] = knots[knots.length - 1];
      knots.push([to, moved + to - before]);
      end = to;
    }
  }
  return (x) => {
    let low = 0;
    let high = knots.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (knots[middle][0] <= x) low = middle;
      else high = middle;
    }
    const [from, start] = knots[low];
    if (high === knots.length) return start + x - from;
    const [to, stop] = knots[high];
    return start + ((x - from) / (to - from)) * (stop - start);
  };
}

/** Draw dashed lines from what goes into a folded part to the box that it is folded into. */
function drawDetours() {
  detours.forEach((element) => element.remove());
  const pairs = new Set();
  for (const { from, to } of wires) {
    const into = boxes[to].hiddenIn;
    if (into !== null && boxes[from].hiddenIn === null && from !== into) pairs.add(`${from} ${into}`);
  }
  detours = [...pairs].map((pair) => {
    const [from, to] = pair.split(" ").map((number) => boxes[number]);
    const [a, b] = [from.place[0] + from.body / 2, from.place[1]];
    const [c, d] = [to.place[0] - to.body / 2, to.place[1]];
    const middle = (a + c) / 2;
    const line = makeSvg(camera, "path", { class: "detour", d: `M${a} ${b}C${middle} ${b} ${middle} ${d} ${c} ${d}` });
    camera.prepend(line);
    return line;
  });
}

/** Say on a folded box how many are in it. */
function drawBadge(box) {
  const isFolded = folded.has(box.number);
  box.element.classList.toggle("folded", isFolded);
  if (box.region) box.element.setAttribute("aria-expanded", String(!isFolded));
  if (!isFolded) {
    if (box.badge) box.badge.remove();
    box.badge = null;
  } else if (!box.badge) {
    const y = -box.size[1] / 2;
    box.badge = makeSvg(box.element, "g", { class: "badge-group" });
    const width = 16 + 7 * String(box.region).length;
    makeSvg(box.badge, "rect", { class: "badge-body", x: -width / 2, y: y - 9, width, height: 16, rx: 8 });
    makeSvg(box.badge, "text", { class: "badge", y: y + 3 }, `+${box.region}`);
  }
}
