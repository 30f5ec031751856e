"""Drawings as text, images and pages."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import struct
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from view.pictures import LECTURE, layer, lecture, program

import symdiff as sd
from symdiff.cli import main
from symdiff.view.svg import DARK, LIGHT

SVG = "{http://www.w3.org/2000/svg}"


def test_a_drawing_is_its_dot_text() -> None:
    drawing = sd.function("2 - exp(x)", ["x", "unused"]).graph()
    assert drawing.splitlines() == [
        'digraph "f" {',
        "  rankdir=LR;",
        "  ordering=in;",
        '  node [fontname="Helvetica", shape=ellipse];',
        '  edge [fontname="Helvetica", fontsize=11];',
        '  v0 [label="x", shape=box, style="rounded,filled", fillcolor="#e1eefb"];',
        '  v1 [label="unused\\nunused", shape=box, style="rounded,filled", fillcolor="#e1eefb"];',
        '  v2 [label="exp", tooltip="t1 = exp(x)"];',
        '  v3 [label="2", shape=plaintext];',
        '  v4 [label="-", tooltip="t2 = 2 - t1"];',
        '  v5 [label="f", shape=box, style="rounded,filled", fillcolor="#fdecd5"];',
        "  v0 -> v2;",
        "  v3 -> v4;",
        "  v2 -> v4;",
        "  v4 -> v5;",
        "}",
    ]
    assert type(drawing.dot) is str
    assert drawing.dot == drawing
    assert type(pickle.loads(pickle.dumps(drawing))) is str


def test_dot_has_values_and_gradients() -> None:
    value, gradient = LIGHT["value"], LIGHT["gradient"]
    label = f'<<font color="{value}">2</font><br/><font color="{gradient}">3</font>>'
    assert f"v1 -> v4 [label={label}];" in lecture()


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("draw", [lecture, layer])
def test_graphviz_reads_the_text(draw: Any) -> None:
    subprocess.run(["dot", "-Tsvg"], input=draw().encode(), capture_output=True, check=True)


@pytest.mark.parametrize("name", ["α", "x_1", "漢字"])
def test_names_of_all_scripts(name: str) -> None:
    drawing = sd.function(f"{name}**2").graph()
    assert f'label="{name}"' in drawing
    texts = [t.text for t in ElementTree.fromstring(drawing.svg()).iter(f"{SVG}text")]
    assert name in texts


def test_svg_is_whole_and_needs_nothing() -> None:
    for drawing in (lecture(), layer()):
        text = drawing.svg()
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert not re.search(r"url\(|@import|var\(", text)
        links = re.findall(r'href="([^"]*)"', text)
        assert all(link.startswith("data:image/png;base64,") for link in links)
        numbers = [float(n) for n in re.findall(r'\s(?:x|y|cx|cy|r|width|height)="([^"]*)"', text)]
        assert np.isfinite(numbers).all()
        assert len(root.findall(f"{SVG}g[@class='wire']")) == len(drawing.picture.wires)


def test_svg_follows_its_surroundings() -> None:
    light, _, dark = lecture().svg().partition("@media (prefers-color-scheme: dark)")
    assert LIGHT["paper"] in light
    assert DARK["paper"] not in light
    assert DARK["paper"] in dark


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, as WCAG 2.1 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_texts_can_be_read(colours: dict[str, str]) -> None:
    for name in ("ink", "muted", "value", "gradient", "accent"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for name in ("input", "operation", "output"):
        assert contrast(colours["ink"], colours[name]) >= 4.5, name
        assert contrast(colours[f"{name}-line"], colours["paper"]) >= 3, name


def test_png_files() -> None:
    pytest.importorskip("resvg_py")
    drawing = lecture()
    light, dark = drawing.png(), drawing.png(scale=1, dark=True)
    sizes = [struct.unpack(">II", image[16:24]) for image in (light, dark)]
    assert sizes[1] == pytest.approx((drawing.layout.width, drawing.layout.height), abs=1)
    assert sizes[0] == pytest.approx((2 * sizes[1][0], 2 * sizes[1][1]), abs=2)
    pillow = pytest.importorskip("PIL.Image")
    from io import BytesIO

    for image, colours in ((light, LIGHT), (dark, DARK)):
        pixels = np.asarray(pillow.open(BytesIO(image)).convert("RGB")).reshape(-1, 3)
        found = {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(pixels, axis=0)}
        # Letters are there only if a font was found.
        assert {colours[name] for name in ("paper", "ink", "value", "gradient")} <= found


def test_png_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(sd.UnsupportedError, match=r"pip install 'symdiff\[plot\]'"):
        lecture().png()


def test_layout_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(sd.UnsupportedError, match="pip install igraph"):
        lecture().svg()


def facts_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_pages_are_whole() -> None:
    page = lecture().html()
    assert not re.search(r"\{\{\w+\}\}", page)
    assert not re.search(r"""(src|href)=["'](?!data:)|https?://(?!www\.w3\.org/)|@import""", page)
    facts = facts_of(page)
    assert [box["label"] for box in facts["boxes"]] == ["x", "y", "z", "+", "max", "*", "f"]
    x, y = facts["boxes"][0], facts["boxes"][1]
    assert x["value"]["text"] == "1"
    assert y["gradient"] == {"text": "5", "exact": "5.0"}
    start, stop = facts["boxes"][4]["span"][1:]
    assert LECTURE[start:stop] == "max(y, z)"
    assert [w["local"]["text"] for w in facts["wires"][:-1]] == ["1", "1", "1", "0", "2", "3"]


def test_pages_cannot_be_broken_out_of() -> None:
    def evil(x: Any) -> Any:
        return x + 1  # </script><script>alert(1)</script> <!-- <b>

    page = sd.function(evil).graph(at=[1.0]).html()
    assert page.count("</script>") == 2
    assert "<b>" not in page
    assert facts_of(page)["name"] == "evil"


def test_the_source_of_a_program() -> None:
    page = sd.function("a = x*y\nreturn a + sin(a)").graph(at={"x": 1.0, "y": 2.0}).html()
    assert page.count('class="source-line">') == 2
    boxes = {box["name"]: box for box in facts_of(page)["boxes"]}
    assert boxes["a"]["span"] == [0, 4, 7]


def test_sources_without_text() -> None:
    import sympy

    x, y = sympy.symbols("x y")
    page = sd.function(x * sympy.sin(y)).graph(at={"x": 1.0, "y": 2.0}).html()
    assert '<span class="source-line">t1 = sin(y)</span>' in page
    assert {box["name"]: box.get("span") for box in facts_of(page)["boxes"]}["t2"] == [1, 0, 11]


def test_derivatives_know_what_they_come_from() -> None:
    source = "x*sin(y)"
    page = sd.grad(source).graph(at={"x": 1.0, "y": 2.0}).html()
    spans = {box["formula"]: box.get("span") for box in facts_of(page)["boxes"]}
    assert source[slice(*spans["cos(y)"][1:])] == "sin(y)"


def test_tensors_in_pages() -> None:
    facts = facts_of(layer().html())
    boxes = {box["label"]: box for box in facts["boxes"]}
    assert boxes["W"]["value"]["shape"] == "4×6"
    assert boxes["W"]["gradient"]["picture"].startswith("data:image/png")
    (tanh,) = [w for w in facts["wires"] if facts["boxes"][w["to"]]["label"] == "tanh"]
    assert tanh["local"]["shape"] == "4×4"


def test_pages_of_loops_with_several_results() -> None:
    fn = sd.function(lambda x: sd.scan(lambda c, a: (c + a, c * a), 0.0, x))  # pyright: ignore
    drawing = fn.graph(at=[np.arange(3.0)])
    assert "2 results" in drawing.svg()
    wires = facts_of(drawing.html())["wires"]
    assert all(wire.get("local") is None for wire in wires)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    drawing = sd.function(lambda x: np.sum(x)).graph(at=[np.zeros(shape)])  # pyright: ignore
    assert "<image" in drawing.svg()
    x = facts_of(drawing.html())["boxes"][0]
    assert x["value"]["text"] == x["gradient"]["text"] == "‖0‖"


def test_pages_without_finite_numbers() -> None:
    page = sd.function("log(x) * y").graph(at={"x": 0.0, "y": 1.0}).html()
    facts = facts_of(page)
    assert {"text": "−∞", "exact": "-inf"} in [box.get("value") for box in facts["boxes"]]


def test_notebooks() -> None:
    drawing = lecture()
    assert drawing._repr_svg_() == drawing.svg()
    found = re.fullmatch(r'<iframe [^>]* srcdoc="([^"]*)"></iframe>', drawing._repr_html_(), re.S)
    assert found is not None
    assert unescape(found[1]) == drawing.html()


def test_files(tmp_path: Path) -> None:
    drawing = lecture()
    for suffix, start in ((".svg", "<svg"), (".html", "<!doctype html>"), (".dot", "digraph")):
        drawing.save(tmp_path / f"graph{suffix}")
        assert (tmp_path / f"graph{suffix}").read_text(encoding="utf-8").startswith(start)
    with pytest.raises(sd.ArgumentError, match=r"graph\.gif: expected a name that ends in \.svg"):
        drawing.save(tmp_path / "graph.gif")


def test_the_command(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["graph", *words])

    path = tmp_path / "graph.svg"
    assert run(LECTURE, "--at", "x=1,y=2,z=0", "-o", str(path)).exit_code == 0
    assert path.read_text(encoding="utf-8") == lecture().svg()
    assert run(LECTURE).stdout == str(sd.function(LECTURE).graph())
    arrays = ("--at", "W=[[1,2],[3,4]],x=[1,0]")
    assert "[2×2]" in run("sum(W @ x)", *arrays).stdout
    wrong = run("x*y", "--at", "x=1")
    assert (wrong.exit_code, wrong.stderr) == (2, "error: --at: missing y; parameters are x, y\n")
    assert run("x*y", "-o", str(tmp_path / "f.bmp")).exit_code == 2


def test_drawing_is_light() -> None:
    code = (
        "import sys, symdiff; symdiff.function('x*y').graph(at=[1, 2]).dot;"
        "print(*(m in sys.modules for m in ('igraph', 'matplotlib', 'resvg_py')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3


def test_thousand_nodes_are_placed_in_seconds() -> None:
    source, at = program(430)
    f = sd.function(source)
    drawing = f.graph(at={name: at[name] for name in f.parameters})
    assert len(drawing.picture.boxes) > 900
    assert drawing.html().count('class="wire"') == len(drawing.picture.wires)
