"""The page in a real browser, opened from a file with the network off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, marks
from view.pictures import layer, lecture, program

import symdiff as sd

pytest.importorskip("selenium")
pytestmark = marks

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(1400, 900) as driver:
        yield driver


class Page:
    """A page in the browser: what its reader does, and what they see."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser = browser
        browser.get(file.as_uri())

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def run(self, script: str, *args: Any) -> Any:
        return self.browser.execute_script(script, *args)

    def find(self, selector: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    @property
    def step(self) -> str:
        return self.find("#step").text

    @property
    def panel(self) -> str:
        return self.find("#panel").text

    @property
    def marked(self) -> str:
        """What is highlighted in the source."""
        return self.run("return document.querySelector('#source mark')?.textContent ?? ''")

    def box(self, name: str) -> Any:
        """The element of the box called so."""
        return self.run(
            "return symdiffGraph.boxes.find((box) => box.name === arguments[0]).element", name
        )

    def seen(self, kind: str) -> list[str]:
        """The values, or the gradients, beside wires that can be seen now."""
        return self.run(
            "return [...document.querySelectorAll(`.wire text.${arguments[0]}`)]"
            ".filter((text) => getComputedStyle(text).visibility === 'visible'"
            " && text.getClientRects().length > 0).map((text) => text.textContent)",
            kind,
        )

    @property
    def visible_boxes(self) -> int:
        return self.run(
            "return document.querySelectorAll('.box:not(.away)').length",
        )


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens the page of a drawing; afterwards nothing may have gone wrong in it."""

    def open_page(drawing: sd.Drawing) -> Page:
        drawing.save(tmp_path / "graph.html")
        browser.get_log("browser")
        return Page(browser, tmp_path / "graph.html")

    yield open_page
    assert browser.get_log("browser") == []
    loaded = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert [name for name in browser.execute_script(loaded) if not name.startswith("data:")] == []


def test_the_lecture_step_by_step(opened: Any) -> None:
    page = opened(lecture())
    assert page.seen("value") == ["1", "2", "2", "0", "3", "2", "6"]
    assert page.seen("gradient") == ["2", "2", "3", "0", "2", "3", "1"]
    page.press(Keys.HOME)
    assert page.step == "Forward: the inputs have their values"
    assert page.seen("value") == ["1", "2", "2", "0"]
    assert page.seen("gradient") == []
    forward = [("t1 = x + y = 3", "x + y"), ("t2 = max(y, z) = 2", "max(y, z)")]
    for number, (text, place) in enumerate(forward, 1):
        page.press(Keys.ARROW_RIGHT)
        assert page.step == f"Forward {number} of 3: {text}"
        assert place in page.marked
    page.press(Keys.ARROW_RIGHT)
    assert page.step == "Forward 3 of 3: t3 = t1 * t2 = 6"
    assert page.seen("value") == ["1", "2", "2", "0", "3", "2", "6"]
    page.press(Keys.ARROW_RIGHT)
    assert page.step == "Backward: the gradient of the output is 1"
    assert page.seen("gradient") == ["1"]
    back = ["t3 passes back 2 to t1, 3 to t2", "t2 passes back 3 to y, 0 to z"]
    back += ["t1 passes back 2 to x, 2 to y", "the gradient of x is 2"]
    back += ["the gradient of y is 2 + 3 = 5", "the gradient of z is 0"]
    for number, text in enumerate(back, 1):
        page.press(Keys.ARROW_RIGHT)
        assert page.step == f"Backward {number} of 6: {text}"
    page.press(Keys.ARROW_LEFT)
    assert "2 + 3 = 5" in page.panel
    assert "from t1: 2" in page.panel
    assert "from t2: 3" in page.panel
    page.press(Keys.END)
    assert page.step.startswith("Everything")


def test_upstream_local_and_downstream(opened: Any) -> None:
    page = opened(lecture())
    page.press(Keys.HOME, *[Keys.ARROW_RIGHT] * 6)
    products = {
        operand: page.find(f'.product[data-operand="{operand}"]').text.split()
        for operand in ("y", "z")
    }
    assert products["y"] == ["to", "y", "3", "upstream", "×", "1", "local", "=", "3", "downstream"]
    assert products["z"] == ["to", "z", "3", "upstream", "×", "0", "local", "=", "0", "downstream"]
    assert "routes" in page.find(".words").text


def test_mouse(opened: Any) -> None:
    page = opened(lecture())
    page.box("t3").click()
    assert page.panel.startswith("t3")
    assert page.marked == "(x + y) * max(y, z)"
    before = page.run("return {...symdiffGraph.view}")
    stage = page.find("#stage")
    actions = ActionChains(page.browser)
    actions.move_to_element_with_offset(stage, 0, 220).click_and_hold().move_by_offset(60, -40)
    actions.release().perform()
    after = page.run("return {...symdiffGraph.view}")
    assert (after["x"] - before["x"], after["y"] - before["y"]) == (60, -40)
    ActionChains(page.browser).scroll_from_origin(
        ScrollOrigin.from_element(stage), 0, -300
    ).perform()
    assert page.run("return symdiffGraph.view.scale") > after["scale"]
    page.find("#fit").click()
    assert page.run("return symdiffGraph.view.scale") == before["scale"]
    page.find("#first").click()
    page.find("#next").click()
    assert page.step.startswith("Forward 1 of 3")
    page.box("t3").click()  # in the same phase
    assert page.step.startswith("Forward 3 of 3")


def test_hovering_shows_neighbours(opened: Any) -> None:
    page = opened(lecture())
    ActionChains(page.browser).move_to_element(page.box("t2")).perform()
    near = "return symdiffGraph.boxes.filter((b) => b.element.matches('.near')).map((b) => b.name)"
    assert page.run(near) == ["y", "z", "t2", "t3"]


def test_keyboard(opened: Any) -> None:
    page = opened(lecture())
    scale = "return symdiffGraph.view.scale"
    first = page.run(scale)
    page.press("+", "+")
    assert page.run(scale) > first
    page.press("0")
    assert page.run(scale) == first
    page.press("?")
    assert page.find("#keys").is_displayed()
    page.press(Keys.ESCAPE)
    assert not page.find("#keys").is_displayed()
    page.press(Keys.SPACE)
    assert page.find("#play").text == "⏸ Pause"
    assert page.step.startswith("Forward")
    page.press(Keys.SPACE)
    assert page.find("#play").text == "▶ Play"
    page.press(Keys.HOME, Keys.ARROW_RIGHT)
    page.run("symdiffGraph.boxes.find((box) => box.name === 't1').element.focus()")
    page.press(Keys.ARROW_RIGHT)
    focused = page.run("return document.activeElement.getAttribute('aria-label')")
    assert focused == "t2, = max(y, z), value 2, gradient 3"


def test_search(opened: Any) -> None:
    source, at = program(60)
    f = sd.function(source)
    drawing = f.graph(at={name: at[name] for name in f.parameters})
    page = opened(drawing)
    page.press("/", *"tanh")
    count = int(page.find("#matches").text)
    assert count == page.run("return document.querySelectorAll('.box.match').length")
    assert count == [box.label for box in drawing.picture.boxes].count("tanh") > 2
    page.press(Keys.ENTER)
    assert "tanh(" in page.panel
    assert page.find("#matches").text == f"1 of {count}"
    page.press(Keys.ENTER)
    assert page.find("#matches").text == f"2 of {count}"
    page.press(Keys.ESCAPE)
    assert page.run("return document.querySelectorAll('.box.match').length") == 0


def test_folding(opened: Any) -> None:
    f = sd.function("a = sin(x)*exp(x*y)\nreturn a*x")
    page = opened(f.graph(at=[1.0, 2.0]))
    assert page.visible_boxes == 8
    width = "return symdiffGraph.bounds().width"
    before = page.run(width)
    page.box("a").click()
    page.press("c")
    assert page.visible_boxes == 4  # without y, x*y, sin and exp
    assert page.find(".badge").text == "+4"
    assert page.box("a").get_attribute("aria-expanded") == "false"
    assert page.run("return document.querySelectorAll('.detour').length") == 1  # from x to a
    assert page.run(width) < before
    page.press("c")
    assert page.visible_boxes == 8
    assert page.run(width) == before
    page.press("c", Keys.HOME, Keys.ARROW_RIGHT)  # a step to a node that is hidden shows it
    assert page.visible_boxes == 8
    assert page.panel.startswith("t1")


def test_light_and_dark(opened: Any, browser: Any) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    for scheme, colour, other in (("light", 255, 20), ("dark", 20, 255)):
        emulated = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
        page = opened(lecture())
        assert page.run(paper).startswith(f"rgb({colour},")
        page.press("t")
        assert page.run(paper).startswith(f"rgb({other},")
        page.press("t")
        assert page.run(paper).startswith(f"rgb({colour},")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_narrow_windows(opened: Any, browser: Any) -> None:
    metrics = {"width": 420, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page = opened(lecture())
    edges = (
        "return [...document.querySelectorAll('header *, footer *')].filter((element) => "
        "element.matches('button, input')).map((element) => element.getBoundingClientRect().right)"
    )
    rights = page.run(edges)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(rights) == 14
    assert max(rights) <= 420


def test_counts(opened: Any) -> None:
    assert "1 parameter, 1 operation" in opened(sd.draw(sd.function("sin(x)"))).panel
    constant = opened(sd.draw(sd.function("3 + pi"))).panel
    assert "0 parameters, 1 operation" in constant
    assert "f = 6.141592653589793" in constant


def test_arrays(opened: Any) -> None:
    page = opened(layer())
    page.box("t3").click()
    assert "shape 4" in page.panel
    images = "return [...document.images].map((image) => image.complete && image.naturalWidth)"
    widths = page.run(images)
    assert len(widths) == 5
    assert all(width == 4 for width in widths)


def test_texts_do_not_overlap_on_screen(opened: Any) -> None:
    """With the fonts of the browser, which the layout can only estimate."""
    page = opened(
        sd.function("a = exp(-x*y)\nreturn sin(a)*x + 123456.789*a").graph(at=[1.5, -2.0])
    )
    rectangles = page.run(
        "return [...document.querySelectorAll('#camera text')].map((text) => {"
        " const r = text.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; })"
    )
    slack = 2  # the boxes of letters are higher than the letters
    for i, (a, b, c, d) in enumerate(rectangles):
        for e, f, g, h in rectangles[:i]:
            assert not (a < g - slack and e < c - slack and b < h - slack and f < d - slack)


FRAMES = """
const done = arguments[arguments.length - 1];
const stage = document.getElementById("stage");
function send(type, options) {
  const Kind = type === "wheel" ? WheelEvent : PointerEvent;
  stage.dispatchEvent(new Kind(type, {bubbles: true, cancelable: true, ...options}));
}
const times = [];
let last = 0;
function frame(now) {
  if (last) times.push(now - last);
  last = now;
  if (times.length >= 60) return done(times);
  const deltaY = times.length % 20 < 10 ? -40 : 40;
  if (zooming) send("wheel", {deltaY, clientX: 500, clientY: 400});
  else drag(times.length);
  requestAnimationFrame(frame);
}
const zooming = ZOOMING;
function drag(n) {
  const at = {pointerId: 1, button: 0, clientX: 400 + 4 * n, clientY: 400 + n};
  send(n ? "pointermove" : "pointerdown", at);
}
requestAnimationFrame(frame);
"""


def test_a_thousand_nodes_move_smoothly(opened: Any, record_property: Any) -> None:
    """The times of frames are recorded; what is required leaves room for a busy machine."""
    source, at = program(430)
    f = sd.function(source)
    page = opened(f.graph(at={name: at[name] for name in f.parameters}))
    assert page.run("return symdiffGraph.boxes.length") > 900
    folded = page.visible_boxes
    page.find("#unfold-all").click()
    assert page.visible_boxes == page.run("return symdiffGraph.boxes.length") >= folded
    page.run(
        "const stage = document.getElementById('stage');"
        "stage.setPointerCapture = () => {};"  # the pointer of this test is not a real one
        "symdiffGraph.goToBox(symdiffGraph.boxes[300]);"
    )
    time.sleep(1)
    for name, zooming in (("pan", "false"), ("zoom", "true")):
        times = page.browser.execute_async_script(FRAMES.replace("ZOOMING", zooming))
        times.sort()
        median, late = times[len(times) // 2], times[-4]
        record_property(f"{name}_ms", (round(median), round(late)))
        print(f"{name}: median {median:.0f} ms, 95% below {late:.0f} ms")
        assert median < 150, times
        page.run(
            "document.getElementById('stage').dispatchEvent("
            "new PointerEvent('pointercancel', {pointerId: 1}))"
        )
