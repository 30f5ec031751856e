// Moving and zooming. Painting a large graph anew takes longer than a frame. So it is painted with
// a margin of half the stage on every side, and while the reader moves, the browser only moves that
// picture; it is painted anew where they pause, or leave it.

const view = { x: 0, y: 0, scale: 1, frame: 0 };
const painted = { x: 0, y: 0, scale: 1, pause: 0 }; // the view of the picture that is there
const PAUSE = 200; // milliseconds
const RATIOS = [0.55, 3]; // to which a picture is reduced and enlarged
const DISTANT = 0.5; // below this scale the small texts cannot be read
const FAR = 0.24; // and below this one no text can
const SCALES = [0.004, 6];
const LEGEND = 24; // its height

/** The margin of the picture around the stage. */
const margin = () => [stage.clientWidth / 2, stage.clientHeight / 2];

/** Show the drawing where the view says, with the next frame. */
function updateCamera() {
  view.frame ||= requestAnimationFrame(() => {
    view.frame = 0;
    const ratio = view.scale / painted.scale;
    const [right, down] = margin();
    const x = view.x - painted.x * ratio + right * (1 - ratio);
    const y = view.y - painted.y * ratio + down * (1 - ratio);
    const left = ratio === 1 && (Math.abs(x) > right || Math.abs(y) > down);
    if (left || ratio < RATIOS[0] || ratio > RATIOS[1]) return paint();
    sheet.style.transform = `translate(${x}px, ${y}px) scale(${ratio})`;
    clearTimeout(painted.pause);
    painted.pause = setTimeout(paint, PAUSE);
  });
}

/** Paint the drawing as the view is now. */
function paint() {
  clearTimeout(painted.pause);
  Object.assign(painted, { x: view.x, y: view.y, scale: view.scale });
  const [right, down] = margin();
  camera.setAttribute("transform", `translate(${view.x + right} ${view.y + down}) scale(${view.scale})`);
  sheet.style.transform = "";
  drawing.classList.toggle("distant", view.scale < DISTANT);
  drawing.classList.toggle("far", view.scale < FAR);
}

function moveBy(dx, dy) {
  view.x += dx;
  view.y += dy;
  updateCamera();
}

/** Zoom by a factor; the point (x, y) of the stage stays where it is. */
function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(SCALES[1], Math.max(SCALES[0], view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  updateCamera();
}

/** Show the whole graph above the legend, a small one at most half as large again. */
function fitAll() {
  const { width, height } = bounds();
  const scale = Math.min(stage.clientWidth / width, (stage.clientHeight - LEGEND) / height, 1.5);
  view.scale = Math.max(SCALES[0], scale);
  view.x = (stage.clientWidth - width * view.scale) / 2;
  fitVertically();
  updateCamera();
}

/** Bring a box into sight; where its texts cannot be read, come nearer if `near` is true. */
function lookAt(box, near = false) {
  const [x, y] = box.place;
  const approach = near && view.scale < DISTANT;
  if (approach) view.scale = 0.9;
  const left = x * view.scale + view.x;
  const top = y * view.scale + view.y;
  const edge = 70;
  const inside = left > edge && left < stage.clientWidth - edge && top > edge && top < stage.clientHeight - edge;
  if (!inside || approach) {
    view.x = stage.clientWidth / 2 - x * view.scale;
    view.y = stage.clientHeight / 2 - y * view.scale;
    if (bounds().height * view.scale < stage.clientHeight - LEGEND) fitVertically();
  }
  updateCamera();
}

function fitVertically() {
  view.y = (stage.clientHeight - LEGEND - bounds().height * view.scale) / 2;
}

/** Follow pointers: one drags, two pinch, the wheel zooms. `onClick` gets the element clicked. */
function followPointers(onClick) {
  const pointers = new Map();
  let travelled = 0;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("#keys")) return;
    pointers.set(event.pointerId, event);
    travelled = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX;
    const dy = event.clientY - before.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled > 4 && !stage.classList.contains("moving")) {
      stage.classList.add("moving");
      stage.setPointerCapture(event.pointerId);
    }
    if (pointers.size === 2) pinch(pointers, event);
    else if (travelled > 4) moveBy(dx, dy);
    pointers.set(event.pointerId, event);
  });
  const release = (event) => {
    if (pointers.delete(event.pointerId) && travelled <= 4 && event.type === "pointerup") onClick(event.target);
    stage.classList.remove("moving");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, top } = stage.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const delta = Math.max(-120, Math.min(120, event.deltaY * lines));
      zoomBy(Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.002)), event.clientX - left, event.clientY - top);
    },
    { passive: false },
  );
}

/** Zoom by how the distance between two pointers changes. */
function pinch(pointers, moved) {
  const [other] = [...pointers.values()].filter((pointer) => pointer.pointerId !== moved.pointerId);
  const before = pointers.get(moved.pointerId);
  const distance = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
  const { left, top } = stage.getBoundingClientRect();
  const factor = distance(moved) / Math.max(1, distance(before));
  zoomBy(factor, (moved.clientX + other.clientX) / 2 - left, (moved.clientY + other.clientY) / 2 - top);
}
