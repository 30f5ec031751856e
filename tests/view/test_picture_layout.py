"""Nothing lies on anything else, and everything runs from left to right."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, pairwise

import pytest
from formulas import functions
from hypothesis import given, settings
from view.pictures import layer, lecture, program

import symdiff as sd
from symdiff import ir
from symdiff.functions import Function
from symdiff.view.layout import Layout, layout
from symdiff.view.picture import CAPTION, FIGURE, LINE, Picture, picture, text_width

Rectangle = tuple[float, float, float, float]


def rectangles(drawn: Picture, places: Layout) -> dict[str, Rectangle]:
    """What each box and each text covers: left, top, right, bottom."""
    found: dict[str, Rectangle] = {}
    for box, (x, y) in zip(drawn.boxes, places.boxes, strict=True):
        half = max([box.body[0], *(text_width(line, CAPTION) for line in box.lines)]) / 2
        bottom = y + box.body[1] / 2 + LINE * len(box.lines)
        found[f"box {box.number}"] = (x - half, y - box.body[1] / 2, x + half, bottom)
    for number, (x, y) in places.texts.items():
        half = drawn.wires[number].width / 2
        found[f"text {number}"] = (x - half, y - FIGURE, x + half, y + FIGURE)
    return found


def meet(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def assert_tidy(drawn: Picture) -> None:
    places = layout(drawn)
    covered = rectangles(drawn, places)
    for (name, one), (other_name, other) in combinations(covered.items(), 2):
        assert not meet(one, other), f"{name} lies on {other_name}"
    for left, top, right, bottom in covered.values():
        assert left >= 0
        assert top >= 0
        assert right <= places.width
        assert bottom <= places.height
    for wire in drawn.wires:
        points = places.wires[wire.number]
        assert len(points) % 2 == 0
        assert all(a[0] <= b[0] + 1e-6 for a, b in pairwise(points)), (
            f"wire {wire.number} turns back"
        )
        own = {f"box {wire.source}", f"box {wire.target}", f"text {wire.number}"}
        for i, (start, end) in enumerate(pairwise(points)):
            if i % 2 == 0:  # the straight parts, which run through columns
                line = (start[0], start[1] - 0.1, end[0], end[1] + 0.1)
                hit = [n for n, r in covered.items() if n not in own and meet(line, r)]
                assert not hit, f"wire {wire.number} runs through {hit}"


@settings(max_examples=20, deadline=None)
@given(functions())
def test_random_formulas(fn: ir.Function) -> None:
    f = Function(fn)
    assert_tidy(picture(sd.ComputationGraph(f)))
    assert_tidy(sd.draw(f, [0.5, -1.5, 2.0]).picture)


@pytest.mark.parametrize("draw", [lecture, layer])
def test_examples(draw: Callable[[], sd.Drawing]) -> None:
    assert_tidy(draw().picture)


def test_a_program() -> None:
    source, at = program(60)
    f = sd.function(source)
    assert_tidy(sd.draw(f, {name: at[name] for name in f.parameters}).picture)


def test_drawings_are_the_same_every_time() -> None:
    assert lecture().svg() == lecture().svg()


def test_graphs_without_operations() -> None:
    for source in ("x", "2.5", "x, y"):
        assert_tidy(sd.draw(sd.function(source)).picture)


def test_graphs_that_are_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symdiff.view.layout.LARGEST", 30)
    drawing = sd.function("x = sin(x)\n" * 40 + "x").graph()
    assert drawing.count("->") == 41
    with pytest.raises(sd.UnsupportedError, match=r"f has 42 boxes.*holds 30.*DOT"):
        drawing.svg()
