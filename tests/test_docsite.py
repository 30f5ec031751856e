"""What the documentation site is made with: generated pages, docstrings, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docsite import links, reference

from symdiff.ops import FUNCTIONS, OPS


def test_the_reference_has_a_section_for_every_operation() -> None:
    page = reference.operations()
    headings = re.findall(r"^### `(\w+)`$", page, re.M)
    assert sorted(headings) == sorted(OPS.keys() - {"const", "param", "item"})


def test_an_operation_is_shown_with_derivative_names_convention_and_error() -> None:
    page = reference.operations()
    section = page[page.index("### `max`") : page.index("### `", page.index("### `max`") + 5)]
    assert r"\frac{\partial \mathrm{max}}{\partial x}" in section
    assert "`Max`" in section
    assert "`maximum`" in section
    assert "*Convention:* ties give half to each side" in section
    assert "*Error:* value 0.0 ULP" in section
    assert "routes" in section


def test_an_operation_on_arrays_is_shown_with_its_pullback() -> None:
    page = reference.operations()
    section = page[page.index("### `contract`") :]
    assert "func @contract_vjp(%x: f64[2,3,4]" in section


def test_every_function_of_formulas_is_listed_with_all_its_names() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", reference.functions(), re.M)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(FUNCTIONS)


def test_every_command_has_its_help() -> None:
    page = reference.commands()
    assert "## `symdiff compile`" in page
    assert "## `symdiff cache clear`" in page
    assert "--output" in page


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text('<h1 id="top">x</h1><a href="sub/page.html#here">y</a>')
    (tmp_path / "sub" / "page.html").write_text(
        '<p id="here"></p><a href="../index.html#top">x</a><a href="https://example.org">y</a>'
    )
    return tmp_path


def test_a_site_without_problems(site: Path) -> None:
    assert links.problems(site) == []


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ('<a href="gone.html">', "index.html links to gone.html, which is not there"),
        ('<a href="#gone">', "index.html links to #gone, which has no such anchor"),
        (
            '<a href="sub/page.html#gone">',
            "index.html links to sub/page.html#gone, which has no such anchor",
        ),
        ('<img src="gone.svg">', "index.html links to gone.svg, which is not there"),
        (
            '<script src="https://cdn.example.org/a.js">',
            "index.html loads https://cdn.example.org/a.js",
        ),
        ('<img src="//example.org/a.png">', "index.html loads //example.org/a.png"),
    ],
)
def test_problems_of_a_page(site: Path, tag: str, problem: str) -> None:
    with (site / "index.html").open("a") as file:
        file.write(tag)
    assert links.problems(site) == [problem]


def test_fonts_from_elsewhere_are_a_problem(site: Path) -> None:
    (site / "a.css").write_text("@font-face { src: url(https://fonts.example.org/a.woff2) }")
    assert links.problems(site) == ["a.css loads https://fonts.example.org/a.woff2"]


def test_examples_at_the_end_of_a_docstring_get_a_heading() -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    from docsite.docstrings import with_examples_apart

    lines = ["A value.", "", "Raises:", "    ValueError: never.", "", "    >>> 1", "    1"]
    moved = with_examples_apart(lines)
    assert moved == [*lines[:5], "Example:", "        >>> 1", "        1"]
    assert with_examples_apart(lines[:2] + lines[5:]) == lines[:2] + lines[5:]


def test_formulas_become_mathml() -> None:
    from symdiff.page import mathml

    assert "<mfrac>" in mathml(r"\frac{\partial f}{\partial x}", display=True)
    with pytest.raises(ValueError, match="cannot typeset"):
        mathml(r"\frac{1}{", display=False)
