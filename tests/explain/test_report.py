"""The page, the report for the terminal, the command, and what notebooks show."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import symdiff as sd
from symdiff.cli import main
from symdiff.explain.html import source_html
from symdiff.explain.words import duration
from symdiff.page import document

FORMULA = "sin(x)*y + exp(x*y)"
VOID = {"meta", "br", "link", "img", "mspace"}


class Elements(HTMLParser):
    """The elements of a page; complains where they are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def scalar() -> sd.Explanation:
    return sd.explain(FORMULA)


def test_the_page_is_well_formed_and_loads_nothing(scalar: sd.Explanation) -> None:
    page = scalar.html()
    elements = Elements(page).found
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in elements}
    links = [a[name] for _, a in elements for name in ("src", "href") if name in a]
    assert links == ["data:,"]  # an icon, or browsers would ask for one
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert "url(" not in page
    assert "@import" not in page


def test_every_part_of_the_formula_is_in_the_page_with_what_it_became(
    scalar: sd.Explanation,
) -> None:
    shown = source_html(FORMULA, scalar.links, scalar.uses)
    assert re.sub(r"<[^>]*>", "", shown) == FORMULA
    (sine,) = re.findall(r'<span class="part both" data-keys="([^"]*)">sin\(', shown)
    assert "2.0" in sine.split()
    assert '<math displaystyle="true"><mrow>' in scalar.html()
    for key in sine.split():
        assert re.search(rf'<div class="line[^"]*" data-keys="{key}">', scalar.html())


def test_text_of_users_is_escaped() -> None:
    e = sd.explain("a if a < b and a > -1 else b*b")
    page = e.html()
    Elements(page)
    assert re.sub(r"<[^>]*>", "", source_html(e.source.text, e.links, e.uses)) == (
        "a if a &lt; b and a &gt; -1 else b*b"
    )
    strange = sd.explain(sd.function("x*x", ["x"]))  # no text of its own
    assert strange.source.text == ""
    Elements(strange.html())


def test_sympy_and_functions_without_text_have_a_page() -> None:
    import sympy

    x = sympy.Symbol("x")
    e = sd.explain(sympy.sin(x) * x)
    assert not e.links.spans
    assert "sin" in e.html()
    assert str(e).startswith("f_value_and_grad(x: f64)")


def test_the_report_in_text_has_every_part(scalar: sd.Explanation) -> None:
    text = str(scalar)
    for piece in (
        FORMULA, "operations for both, computed once: 3", "library calls", "passes", "final IR",
        "pair_and_schedule: 14 → 15 lines", "reduce_powers: changed nothing", "Assembly",
        "LLVM to machine code",
    ):  # fmt: skip
        assert piece in text
    assert re.search(r"exp %3 +exp\(x\*y\)$", text, re.M)
    assert "\x1b" not in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_report_of_arrays_shows_loops() -> None:
    text = str(sd.explain("sum(tanh(W @ x))", {"W": "f64[8,4]", "x": "f64[4]"}))
    assert "Loop IR" in text
    assert re.search(r"= expm1 %\d+ +tanh\(W @ x\)$", text, re.M)


def test_facts_are_json(scalar: sd.Explanation) -> None:
    facts = json.loads(json.dumps(scalar.facts()))
    assert facts["operations"]["both"] == {"sincos": 1, "mul": 1, "exp": 1}
    assert [p["name"] for p in facts["passes"]][:2] == ["parse", "value_and_grad"]
    assert facts["workspace_bytes"] == 0
    assert facts["code_bytes"] > 0


def test_the_command_prints_the_report() -> None:
    result = CliRunner().invoke(main, ["explain", FORMULA])
    assert result.exit_code == 0
    assert "operations for both, computed once: 3" in result.stdout


def test_the_command_writes_a_page_text_and_json(tmp_path: Path) -> None:
    source = tmp_path / "layer.txt"
    source.write_text("sum(tanh(W @ x))\n")
    words = ["explain", str(source), "--arg", "W:f64[8,4]", "--arg", "x:f64[4]"]
    page = tmp_path / "report.html"
    result = CliRunner().invoke(main, [*words, "-o", str(page)])
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    Elements(page.read_text(encoding="utf-8"))
    text = tmp_path / "report.txt"
    CliRunner().invoke(main, [*words, "-o", str(text), "--wrt", "x", "--dtype", "f32"])
    assert "Gradient" not in text.read_text(encoding="utf-8").split("final IR")[1]
    result = CliRunner().invoke(main, [*words, "--json", "--output", "value"])
    assert json.loads(result.stdout)["output"] == "value"


def test_the_command_reads_standard_input_and_shapes_at_a_point() -> None:
    words = ["explain", "-", "--at", "x=[1,2,3]", "--json"]
    result = CliRunner().invoke(main, words, input="sum(x*x)")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["parameters"] == {"x": "f64[3]"}


def test_wrong_input_is_one_message() -> None:
    result = CliRunner().invoke(main, ["explain", "x +"])
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    result = CliRunner().invoke(main, ["explain", "x*y", "--wrt", "z"])
    assert result.exit_code == 2


def test_explanations_in_notebooks_are_framed(scalar: sd.Explanation) -> None:
    assert scalar._repr_html_().startswith("<iframe ")
    assert ' srcdoc="&lt;!doctype html&gt;' in scalar._repr_html_()
    Elements(scalar._repr_html_())


def test_kernels_in_notebooks_are_a_table() -> None:
    kernel = sd.compile(sd.value_and_grad(FORMULA))
    table = kernel._repr_html_()
    Elements(table)
    assert "<b>f_value_and_grad</b>" in table
    assert "x: float64, y: float64" in table
    assert f"{kernel.code_size} bytes" in table
    assert "5 (1 add, 1 exp, 2 mul, 1 sin)" in table
    open_ = sd.compile(lambda W, x: (W @ x)[0])
    assert open_._repr_html_() is None  # no shapes yet, and no code


def test_pages_say_who_they_are_and_hold_their_data() -> None:
    page = document("a & b", "<p>x</p>", data=["</script>", "é"], scripts=["1;"], styles=["p{}"])
    elements = Elements(page)
    assert "<title>a &amp; b</title>" in page
    (held,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert json.loads(held) == ["</script>", "é"]
    (policy,) = [a["content"] for _, a in elements.found if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1.5 s"), (0.0123, "12.3 ms"), (4e-6, "4 µs"), (5e-8, "50 ns")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
