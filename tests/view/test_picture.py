"""What is in a picture: boxes, wires, and the sums where gradients meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from view.pictures import layer, lecture

import symdiff as sd
from symdiff.view.picture import Picture
from symdiff.view.regions import regions


def wires(picture: Picture) -> dict[tuple[str, str], tuple[str, str]]:
    """The texts of each wire, by the labels at its ends."""
    boxes = picture.boxes
    return {
        (boxes[w.source].label, boxes[w.target].label): (w.value, w.gradient) for w in picture.wires
    }


def drawn(source: Any, at: Any = None) -> Picture:
    return sd.draw(sd.function(source), at).picture


def test_the_lecture() -> None:
    picture = lecture().picture
    assert wires(picture) == {
        ("x", "+"): ("1", "2"),
        ("y", "+"): ("2", "2"),
        ("y", "max"): ("2", "3"),
        ("z", "max"): ("0", "0"),
        ("+", "*"): ("3", "2"),
        ("max", "*"): ("2", "3"),
        ("*", "f"): ("6", "1"),
    }
    totals = {box.label: box.total for box in picture.boxes if box.total}
    assert totals == {"y": "2 + 3 = 5"}
    kinds = {box.label: box.kind for box in picture.boxes}
    assert kinds["x"] == "input"
    assert kinds["max"] == "operation"
    assert kinds["f"] == "output"


def test_without_a_point_there_are_no_numbers() -> None:
    picture = drawn("x*x + x")
    assert not picture.numbers
    assert not any(wire.has_text for wire in picture.wires)
    assert not any(box.total for box in picture.boxes)
    assert len(picture.wires) == 5  # x*x is two wires


def test_terms_that_are_negative_are_subtracted() -> None:
    (box,) = [b for b in drawn("x*y - x", {"x": 2.0, "y": 3.0}).boxes if b.label == "x"]
    assert box.total == "3 − 1 = 2"
    (many,) = [b for b in drawn("x*x*x*x*x*x", {"x": 1.0}).boxes if b.label == "x"]
    assert many.total == "Σ of 6 = 6"


def test_constants_are_drawn_beside_each_use() -> None:
    picture = drawn("(2 + x) * (2 + y)", {"x": 1.0, "y": 1.0})
    twos = [box for box in picture.boxes if box.label == "2"]
    assert [box.kind for box in twos] == ["constant", "constant"]
    assert all(not w.has_text for w in picture.wires if picture.boxes[w.source] in twos)


def test_outputs_are_named_where_there_are_several() -> None:
    picture = drawn(sd.value_and_grad("x*y"), {"x": 2.0, "y": 3.0})
    assert [b.label for b in picture.boxes if b.kind == "output"] == ["value", "d_x", "d_y"]
    # x is an output itself, as well as an operand: the gradient of the sum of all outputs.
    (x,) = [b for b in picture.boxes if b.kind == "input" and b.label == "x"]
    assert x.total == "3 + 1 = 4"


def test_a_constant_function_and_unused_parameters() -> None:
    picture = sd.draw(sd.function("2.5", ["x"]), {"x": 1.0}).picture
    assert [(b.kind, b.label) for b in picture.boxes] == [
        ("input", "x"),
        ("constant", "2.5"),
        ("output", "f"),
    ]
    assert picture.boxes[0].captions == ("unused",)


def test_functions_without_parameters_need_no_point() -> None:
    picture = drawn("3 + 4")
    assert picture.numbers
    assert wires(picture)["+", "f"][0] == "7"


def test_integers_have_no_gradient() -> None:
    picture = sd.draw(sd.function("n + m", {"n": "i64", "m": "i64"}), {"n": 2, "m": 3}).picture
    assert wires(picture)["+", "f"] == ("5", "")


def test_arrays_have_shapes_norms_and_pictures() -> None:
    drawing = layer()
    boxes = {box.label: box for box in drawing.picture.boxes if box.kind == "input"}
    assert boxes["W"].captions == ("[4×6]",)
    assert boxes["W"].pictured
    norm = np.linalg.norm(boxes["W"].node.value)
    (wire,) = [w for w in drawing.picture.wires if w.source == boxes["W"].number]
    assert wire.value == f"‖{norm:.4g}‖"
    assert drawing.svg().count("<image") == 2 * sum(box.pictured for box in drawing.picture.boxes)


def test_loops_and_their_parts() -> None:
    def loop(x: Any) -> Any:
        carry, ys = sd.scan(lambda c, _: (c * x, c), 1.0, length=3)
        return carry + np.sum(ys)

    picture = drawn(loop, {"x": 2.0})
    assert [b.label for b in picture.boxes].count("scan") == 1
    assert wires(picture)["+", "loop"][0] == "15"


@pytest.mark.parametrize("wrong", [{"x": 1.0}, [1.0], {"x": 1, "y": 2, "q": 3}])
def test_points_that_do_not_fit(wrong: Any) -> None:
    with pytest.raises(sd.ArgumentError):
        sd.function("x*y").graph(at=wrong)


def test_shapes_are_asked_for() -> None:
    f: Callable[..., Any] = lambda x: np.sum(x**2)  # noqa: E731
    with pytest.raises(sd.NeedsShapes, match=r"give args=\{...\}"):
        sd.function(f).graph()
    assert "‖5‖" in sd.function(f).graph(at={"x": np.array([3.0, 4.0])})


def test_regions_are_what_a_node_alone_is_made_of() -> None:
    picture = drawn("a = sin(x)*2; b = exp(y); return a*b + cos(b)", {"x": 1.0, "y": 1.0})
    folds = regions(picture)
    named = {box.node.name: box.number for box in picture.boxes if box.kind == "operation"}
    label = {box.label: box.number for box in picture.boxes}
    assert folds[label["x"]] == label["sin"]
    assert folds[label["sin"]] == folds[label["2"]] == named["a"]
    assert folds[named["b"]] == label["+"]  # both ways from b meet there
    assert folds[label["y"]] == named["b"]
    assert folds[label["+"]] is None


def test_regions_of_a_long_chain() -> None:
    picture = drawn("x = sin(x)\n" * 3000 + "x")
    assert regions(picture)[:-2] == list(range(1, len(picture.boxes) - 1))
