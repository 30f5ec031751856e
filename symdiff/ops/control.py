"""Operations that hold functions: loops, functions with derivatives of their own, and groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import (
    Function,
    TupleType,
    Type,
    Value,
    copy_into,
    evaluate_exactly,
    interpret,
)
from symdiff.ops.define import define, elementwise, uniform

stop_gradient = elementwise(
    "stop_gradient",
    value=lambda x: np.asarray(x),
    partials=(None,),
    expand=lambda x: x,
    integers=True,
    samples=uniform(-3, 3),
    note="the operand, taken as a constant by differentiation",
    intuition="lets nothing through, on purpose",
)


def _tuple_of(types: list[Type]) -> TupleType:
    return TupleType(tuple(types))


def inline(fn: Function, args: tuple[Value, ...]) -> tuple[Value, ...]:
    """The outputs of `fn` with `args` in place of its parameters, in their graph."""
    graph = args[0].graph
    return copy_into(graph, fn.outputs, dict(zip(fn.params, args, strict=True)))


# Loops.


def _scan_type(
    types: tuple[Any, ...],
    body: Function,
    carries: int,
    inputs: int,
    length: int,
    reverse: bool,
    checkpoint: bool = False,
) -> TupleType:
    """Final carries, then the per-step outputs with an axis of `length` in front."""
    expected = [p.type for p in body.params]
    given = [
        t.with_shape(t.shape[1:]) if carries <= i < carries + inputs else t
        for i, t in enumerate(types)
    ]
    if given != expected:
        raise ShapeError(
            f"scan: the body takes {', '.join(map(str, expected))}, "
            f"but gets {', '.join(map(str, given))}"
        )
    if any(t.shape[:1] != (length,) for t in types[carries : carries + inputs]):
        raise ShapeError(f"scan: per-step inputs need {length} elements along their first axis")
    after = [o.type for o in body.outputs]
    if after[:carries] != expected[:carries]:
        raise ShapeError(
            f"scan: the carry goes in as {', '.join(map(str, expected[:carries]))} "
            f"and comes out as {', '.join(map(str, after[:carries]))}"
        )
    steps = [t.with_shape((length, *t.shape)) for t in after[carries:]]
    return _tuple_of([*expected[:carries], *steps])


def _scan_value(
    *operands: Any,
    body: Function,
    carries: int,
    inputs: int,
    length: int,
    reverse: bool,
    checkpoint: bool = False,
) -> tuple[Any, ...]:
    types = [o.type for o in body.outputs[carries:]]
    ys = [np.empty((length, *t.shape), t.dtype.numpy) for t in types]
    operands = tuple([np.asarray(o) for o in operands])
    steps = range(length - 1, -1, -1) if reverse else range(length)
    return _run(lambda args: interpret(body, args), operands, carries, inputs, steps, ys)


def _scan_exactly(
    mp: Any,
    *operands: Any,
    body: Function,
    carries: int,
    inputs: int,
    length: int,
    reverse: bool,
    checkpoint: bool = False,
) -> tuple[Any, ...]:
    types = [o.type for o in body.outputs[carries:]]
    kinds = [object if t.dtype.kind == "f" else t.dtype.numpy for t in types]
    ys = [np.empty((length, *t.shape), k) for t, k in zip(types, kinds, strict=True)]
    steps = range(length - 1, -1, -1) if reverse else range(length)
    step = partial(evaluate_exactly, body, mp=mp)
    return _run(step, operands, carries, inputs, steps, ys)


def _run(
    body: Callable[[list[Any]], list[Any]],
    operands: tuple[Any, ...],
    carries: int,
    inputs: int,
    steps: range,
    ys: list[Any],
) -> tuple[Any, ...]:
    """The final carries and `ys`, which the steps have filled."""
    carry = list(operands[:carries])
    xs, fixed = operands[carries : carries + inputs], operands[carries + inputs :]
    for step in steps:
        results = body([*carry, *(x[step] for x in xs), *fixed])
        carry = results[:carries]
        for y, result in zip(ys, results[carries:], strict=True):
            y[step] = result
    return (*carry, *ys)


scan = define(
    "scan",
    type=_scan_type,
    value=_scan_value,
    exact=_scan_exactly,
    arity=None,
    note="a loop: body(carries, inputs of the step, rest) gives carries and outputs of the step; "
    "its derivatives are loops over those of the body (symdiff/autodiff/scan_reverse.py), which "
    "with checkpoint keep nothing of a step but the carries that it began with",
    intuition="a loop: the gradient goes back through its steps, the last one first",
)


# Functions with derivatives of their own.


def _custom_type(
    types: tuple[Any, ...], body: Function, vjp: Function | None, jvp: Function | None
) -> TupleType:
    expected = [p.type for p in body.params]
    if list(types) != expected:
        raise ShapeError(
            f"{body.name} takes {', '.join(map(str, expected))}, "
            f"but gets {', '.join(map(str, types))}"
        )
    results = [o.type for o in body.outputs]
    _check_rule(vjp, "vjp", body, expected, results, results, expected)
    _check_rule(jvp, "jvp", body, expected, expected, results, results)
    return _tuple_of(results)


def _check_rule(
    rule: Function | None,
    name: str,
    body: Function,
    operands: list[Type],
    seeds: list[Type],
    results: list[Type],
    derivatives: list[Type],
) -> None:
    if rule is None:
        return
    taken, given = [*operands, *real(seeds)], [*results, *real(derivatives)]
    if [p.type for p in rule.params] != taken or [o.type for o in rule.outputs] != given:
        raise ShapeError(
            f"{body.name}: its {name} rule must take {', '.join(map(str, taken))} "
            f"and give {', '.join(map(str, given))}"
        )


def real(types: list[Type]) -> list[Type]:
    """Those of `types` that have derivatives."""
    return [t for t in types if t.dtype.kind == "f"]


def _custom_value(
    *operands: Any, body: Function, vjp: Function | None, jvp: Function | None
) -> tuple[Any, ...]:
    return tuple(interpret(body, operands))


custom = define(
    "custom",
    type=_custom_type,
    value=_custom_value,
    exact=lambda mp, *operands, body, **rules: tuple(evaluate_exactly(body, operands, mp)),
    arity=None,
    note="a function whose derivative the user has written: vjp(operands, cotangents) gives the "
    "outputs and the cotangents of the operands, jvp(operands, tangents) the outputs and their "
    "tangents, for those operands and outputs that are floating-point",
    intuition="has a derivative of its own, which its author has written",
)


# One function at several points.


def _map_points_type(types: tuple[Any, ...], body: Function) -> TupleType:
    taken = [p.type for p in body.params]
    count = len(types) // len(taken)
    if not count or list(types) != [t for t in taken for _ in range(count)]:
        raise ShapeError(
            f"map_points: {body.name} takes {', '.join(map(str, taken))} at every point, "
            f"but gets {len(types)} operands: {', '.join(map(str, types[:8]))}"
        )
    return _tuple_of([output.type for output in body.outputs for _ in range(count)])


def _map_points_value(*operands: Any, body: Function) -> tuple[Any, ...]:
    count = len(operands) // len(body.params)
    points = [interpret(body, operands[i::count]) for i in range(count)]
    return tuple(result for results in zip(*points, strict=True) for result in results)


def _map_points_exactly(mp: Any, *operands: Any, body: Function) -> tuple[Any, ...]:
    count = len(operands) // len(body.params)
    points = [evaluate_exactly(body, operands[i::count], mp) for i in range(count)]
    return tuple(result for results in zip(*points, strict=True) for result in results)


# Made on the way to a back end, so it has no derivative rules.
map_points = define(
    "map_points",
    type=_map_points_type,
    value=_map_points_value,
    exact=_map_points_exactly,
    arity=None,
    note="the body at several points: of n points, the first n operands are their first "
    "parameters and so on, and the first n results their first outputs; see passes/groups.py",
)
