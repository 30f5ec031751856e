// Moving and zooming. One transform moves the whole drawing, at most once a frame.

const view = { x: 0, y: 0, scale: 1, frame: 0 };
const FAR = 0.42; // below this scale texts are too small to be read
const SCALES = [0.02, 6];

/** Show the drawing where the view says, with the next frame. */
function updateCamera() {
  view.frame ||= requestAnimationFrame(() => {
    view.frame = 0;
    camera.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
    drawing.classList.toggle("far", view.scale < FAR);
  });
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

/** Show the whole graph, a small one not larger than half as large again. */
function fitAll() {
  const { width, height } = bounds();
  const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height, 1.5);
  view.scale = Math.max(SCALES[0], scale);
  view.x = (stage.clientWidth - width * view.scale) / 2;
  view.y = (stage.clientHeight - height * view.scale) / 2;
  updateCamera();
}

/** Bring a box into sight; where texts cannot be read, come near if `near` is true. */
function lookAt(box, near = false) {
  const [x, y] = box.place;
  if (near && view.scale < FAR) view.scale = 0.9;
  const left = x * view.scale + view.x;
  const top = y * view.scale + view.y;
  const edge = 70;
  const inside = left > edge && left < stage.clientWidth - edge && top > edge && top < stage.clientHeight - edge;
  if (!inside || near) {
    view.x = stage.clientWidth / 2 - x * view.scale;
    view.y = stage.clientHeight / 2 - y * view.scale;
    if (bounds().height * view.scale < stage.clientHeight) fitVertically();
  }
  updateCamera();
}

function fitVertically() {
  view.y = (stage.clientHeight - bounds().height * view.scale) / 2;
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
