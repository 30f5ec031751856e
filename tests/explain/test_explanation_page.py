"""The page in a real browser, from a file, with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, marks

import symdiff as sd

webdriver = pytest.importorskip("selenium.webdriver")

pytestmark = marks
LIT = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(1500, 1000) as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    sd.explain("sin(x)*y + exp(x*y)").save(folder / "scalar.html")
    layer = {"W": "f64[8,4]", "x": "f64[4]", "b": "f64[8]"}
    sd.explain("sum(tanh(W @ x + b)**2)", layer).save(folder / "layer.html")
    return folder


def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    assert browser.get_log("browser") == []
    return browser


def part(browser: Any, text: str, box: str = ".source") -> Any:
    found = browser.find_elements("css selector", f"{box} [data-keys]")
    return next(e for e in found if e.get_attribute("textContent") == text)


def hover(browser: Any, element: Any) -> None:
    webdriver.ActionChains(browser).move_to_element(element).perform()


def lit(browser: Any, pane: str) -> list[str]:
    return browser.execute_script(LIT, f"#pane-{pane} .line.lit")


def test_pointing_at_a_part_lights_what_it_became(browser: Any, pages: Path) -> None:
    opened(browser, pages / "scalar.html")
    browser.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))",
        part(browser, "sin(x)"),
    )
    assert any("sincos" in line for line in lit(browser, "ir"))
    assert any("sincos" in line for line in lit(browser, "llvm"))
    assert any("sincos" in line for line in lit(browser, "asm"))
    assert any("sin(" in line for line in lit(browser, "c"))
    assert not any(" exp" in line for line in lit(browser, "ir"))
    parts = browser.execute_script(LIT, ".equations .lit")
    assert any(text.startswith("sin") for text in parts)


def test_pointing_at_a_line_lights_the_source(browser: Any, pages: Path) -> None:
    opened(browser, pages / "scalar.html")
    lines = browser.find_elements("css selector", "#pane-asm .line[data-keys]")
    call = next(e for e in lines if "exp" in e.text and "call" in e.text)
    hover(browser, call)
    assert "exp(x*y)" in browser.execute_script(LIT, ".source .lit")
    hover(browser, browser.find_element("css selector", "h1"))
    assert lit(browser, "ir") == []


def test_a_click_keeps_and_escape_lets_go(browser: Any, pages: Path) -> None:
    opened(browser, pages / "layer.html")
    browser.execute_script("arguments[0].click()", part(browser, "tanh(W @ x + b)"))
    kept = lit(browser, "loops")
    assert any("expm1" in line for line in kept)
    hover(browser, browser.find_element("css selector", "h1"))
    assert lit(browser, "loops") == kept
    assert "Assembly" in browser.find_element("id", "status").text
    inside = """
        const box = document.querySelector("#pane-asm .lines").getBoundingClientRect();
        return [...document.querySelectorAll("#pane-asm .line.lit")].some((e) => {
            const at = e.getBoundingClientRect();
            return at.top >= box.top && at.bottom <= box.bottom;
        });"""
    assert browser.execute_script(inside)  # scrolled there
    webdriver.ActionChains(browser).send_keys("\ue00c").perform()
    assert lit(browser, "loops") == []


def test_the_keyboard_walks(browser: Any, pages: Path) -> None:
    opened(browser, pages / "scalar.html")
    browser.execute_script("document.querySelector('#pane-ir .lines').focus()")
    down, enter = "\ue015", "\ue007"
    webdriver.ActionChains(browser).send_keys(down, down).perform()
    assert browser.execute_script(LIT, "#pane-ir .current") == ["  %1: f64 = item %0 {index=0}"]
    assert lit(browser, "ir") == ["  %1: f64 = item %0 {index=0}"]
    webdriver.ActionChains(browser).send_keys(enter).perform()
    assert len(browser.find_elements("css selector", ".kept")) == 1


def test_panes_can_be_put_away_and_colours_changed(browser: Any, pages: Path) -> None:
    opened(browser, pages / "scalar.html")
    button = browser.find_element("css selector", "[data-pane=llvm]")
    browser.execute_script("arguments[0].click()", button)
    assert not browser.find_element("id", "pane-llvm").is_displayed()
    assert button.get_attribute("aria-pressed") == "false"
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(paper)
    browser.find_element("css selector", "[data-theme-switch]").click()
    assert browser.execute_script(paper) != before
    browser.find_element("css selector", "[data-theme-switch]").click()


def test_formulas_are_set_by_the_browser(browser: Any, pages: Path) -> None:
    opened(browser, pages / "layer.html")
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)"
    )
    assert len(sizes) > 6
    assert all(width > 5 for width in sizes)
    shifts = browser.execute_script("""
        const power = document.querySelector(".equations msup");
        const [base, exponent] = [...power.children].map((c) => c.getBoundingClientRect());
        return base.bottom - exponent.bottom;""")
    assert shifts > 2  # the exponent stands above the line


def test_the_page_does_not_scroll_sideways(browser: Any, pages: Path) -> None:
    opened(browser, pages / "layer.html")
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0
    browser.set_window_size(600, 900)
    assert browser.execute_script(wide) == 0
    browser.set_window_size(1500, 1000)


def test_long_assembly_stays_quick(browser: Any, pages: Path) -> None:
    """Pointing at a line among thousands takes no more than a few frames."""
    terms = " + ".join(f"sin({i}*x)*exp(-y/{i})" for i in range(1, 120))
    page = pages / "long.html"
    sd.explain(terms).save(page)
    opened(browser, page)
    count = browser.execute_script("return document.querySelectorAll('#pane-asm .line').length")
    assert count > 2000
    measure = """
        const lines = [...document.querySelectorAll("#pane-asm .line[data-keys]")];
        const start = performance.now();
        for (let i = 0; i < 20; i++) {
            const line = lines[Math.floor(i * lines.length / 20)];
            line.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
            document.body.offsetHeight;
        }
        return (performance.now() - start) / 20;"""
    best = min(browser.execute_script(measure) for _ in range(3))
    assert best < 200, f"{best} ms for one line"
