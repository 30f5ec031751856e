// Finding nodes by name, operation or formula.

let found = [];
let chosen = -1;

/** Mark the boxes that contain what is typed. */
function search(text) {
  const wanted = text.trim().toLowerCase();
  found.forEach((box) => box.element.classList.remove("match"));
  found = wanted ? boxes.filter((box) => isA(box, "input", "operation") && matches(box, wanted)) : [];
  found.forEach((box) => box.element.classList.add("match"));
  chosen = -1;
  byId("matches").textContent = wanted ? String(found.length) : "";
}

const matches = (box, wanted) =>
  [box.name, box.label, `${box.name} = ${box.formula}`].some((text) => text.toLowerCase().includes(wanted));

/** Go to the next match, or the one before. */
function nextMatch(by = 1) {
  if (!found.length) return;
  chosen = (chosen + by + found.length) % found.length;
  byId("matches").textContent = `${chosen + 1} of ${found.length}`;
  goToBox(found[chosen]);
  lookAt(found[chosen], true);
}

function clearSearch() {
  byId("search").value = "";
  search("");
}
