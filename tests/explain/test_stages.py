"""The stages, what each of them changed, and what serves what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import symdiff as sd
from symdiff import ir, passes
from symdiff.explain.numbering import followed, in_order
from symdiff.explain.stages import GONE, MOVED, NEW, first_sentence

FORMULA = "sin(x)*y + exp(x*y)"


def changes(e: sd.Explanation, name: str) -> list[str]:
    (found,) = [s for s in e.stages if s.name == name]
    return [f"{line.kind} {line.text.strip()}" for line in found.lines if line.kind in "+-"]


def test_every_pass_is_there_in_order() -> None:
    e = sd.explain(FORMULA)
    pipeline = [p.__name__ for p in passes.PIPELINE]
    lowering = [p.__name__ for p in (*passes.LOWERING, passes.contract)]
    assert [s.name for s in e.stages] == ["parse", "value_and_grad", *pipeline, *lowering]
    assert e.stages[e.final].name == pipeline[-1]
    assert all(s.seconds >= 0 for s in e.stages)
    assert all(s.summary.endswith(".") and "\n" not in s.summary for s in e.stages)


def test_options_add_their_passes() -> None:
    e = sd.explain(FORMULA, dtype="float32", fastmath=True)
    names = [s.name for s in e.stages]
    assert names[2:4] == ["as_dtype", "fast_math"]
    kernel = sd.compile(sd.value_and_grad(FORMULA), dtype="float32", fastmath=True, cache=False)
    assert e.ir == kernel.ir


def test_the_change_of_a_pass_is_shown_and_no_more() -> None:
    e = sd.explain(FORMULA)
    assert "+ %0: (f64, f64) = sincos %x" in changes(e, "pair_and_schedule")
    assert any(
        line.startswith("- ") and "= cos %x" in line for line in changes(e, "pair_and_schedule")
    )
    assert changes(e, "reduce_powers") == []
    contracted = changes(e, "contract")
    assert sum("= fma" in line for line in contracted) == 2
    ordered = sd.explain("log(x)*y + exp(x*y)").stages[e.final]
    assert {line.kind for line in ordered.lines} == {" ", MOVED}


def test_a_value_has_its_final_number_in_every_stage() -> None:
    e = sd.explain(FORMULA)
    final = dict.fromkeys(in_order(e.stages[e.final].function).values())
    for s in e.stages[: e.final]:
        exponentials = [n for v, n in s.numbers.items() if v.op.name == "exp"]
        assert exponentials == [4]
        assert len(set(s.numbers.values())) == len(s.numbers)
    assert 4 in final


def test_values_are_followed_through_other_operands() -> None:
    before = sd.function("exp(x*1)*y*(1 + y)").ir
    after = passes.simplify(before)
    numbers = in_order(after)
    found = followed(before, after, numbers, len(numbers))
    assert numbered_as(found, "exp") == numbered_as(numbers, "exp")
    assert numbered_as(found, "add") == numbered_as(numbers, "add")
    gone = [n for n in found.values() if n >= len(numbers)]
    assert gone  # x*1
    assert len(set(found.values())) == len(found)


def numbered_as(numbers: Mapping[ir.Value, int], op: str) -> list[int]:
    return [n for value, n in numbers.items() if value.op.name == op]


def test_lines_of_a_difference_give_both_texts() -> None:
    e = sd.explain("tanh(x)*tanh(x) + cosh(x*y)")
    for before, after in zip(e.stages, e.stages[1:], strict=False):
        if after.changed and MOVED not in {line.kind for line in after.lines}:
            old = [line.text for line in after.lines if line.kind != NEW]
            new = [line.text for line in after.lines if line.kind != GONE]
            assert len(old) == before.sizes[1]
            assert len(new) == after.sizes[1]


def test_long_functions_are_not_compared_line_by_line() -> None:
    e = sd.explain(" + ".join(f"sin({i}*x)" for i in range(1, 900)))
    long = [s for s in e.stages if s.sizes[1] > 2000]
    assert long
    assert all(s.lines == () for s in long[1:])
    assert any(s.changed for s in long[1:])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (FORMULA, ({"mul": 1, "add": 1}, {"mul": 3, "add": 2}, {"sincos": 1, "mul": 1, "exp": 1})),
        ("x*y", ({"mul": 1}, {}, {})),
        ("tanh(x)", ({"tanh": 1}, {"sech2": 1}, {})),
        ("exp(x)", ({}, {}, {"exp": 1})),
    ],
)
def test_operations_by_what_they_serve(source: str, expected: tuple[object, ...]) -> None:
    served = sd.explain(source).served
    assert (served.value, served.derivative, served.both) == expected


def test_operations_add_up() -> None:
    e = sd.explain("sum(tanh(W @ x))", {"W": "f64[8,4]", "x": "f64[4]"})
    served = e.served
    total = served.value.total + served.derivative.total + served.both.total
    cost = sd.function(e.source.text, dict(e.parameters)).cost()
    assert total == cost.value_and_grad.total
    assert e.value_cost.total == cost.value.total


def test_derivatives_alone_serve_derivatives() -> None:
    e = sd.explain(FORMULA, output="grad")
    assert e.served.value == {}
    assert e.served.both == {}
    assert set(e.uses.values()) == {"derivative"}
    assert set(sd.explain(FORMULA, output="value").uses.values()) == {"value"}


def test_what_is_in_a_loop_serves_what_the_loop_does() -> None:
    def scanned(x: Any) -> Any:
        total, _ = sd.scan(lambda c, v: (c * v, None), 1.0, x)
        return total

    e = sd.explain(scanned, {"x": "f64[50]"})
    operations = [k for text, k in e.lines if k and "= const" not in text]
    assert len(operations) > 6
    assert all(e.uses[k] for k in operations)


def test_a_derivative_is_explained_as_it_is() -> None:
    e = sd.explain(sd.hessian("x**2*y"))
    assert e.output == "hessian"
    assert e.served.value == {}
    assert e.ir == sd.compile(sd.hessian("x**2*y"), cache=False).ir


def test_wrong_options_are_errors() -> None:
    with pytest.raises(sd.ArgumentError, match="dtype='f16'"):
        sd.explain("x", dtype="f16")
    with pytest.raises(sd.ArgumentError, match="output='gradient': expected one of value"):
        sd.explain("x", output="gradient")
    with pytest.raises(sd.ArgumentError, match="is a derivative"):
        sd.explain(sd.grad("x*x"), wrt="x")
    with pytest.raises(sd.NeedsShapes, match="give args="):
        sd.explain(lambda W, x: (W @ x)[0])


def test_the_first_sentence() -> None:
    assert (
        first_sentence("`fn` with\n    less. And more.\n\n    More.") == "The function with less."
    )
    assert first_sentence("One.") == "One."
    assert first_sentence(None) == ""
