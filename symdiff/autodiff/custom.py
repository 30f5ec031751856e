"""Functions with derivatives of their own: the rules that their users have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.autodiff.bodies import Replaced
from symdiff.errors import DifferentiationError
from symdiff.ir import Function, Type, Value
from symdiff.ops import inline
from symdiff.ops.bodies import elements


def push_custom(
    value: Value, args: tuple[Value, ...], tangents: Sequence[Value | None]
) -> tuple[list[Value], list[Value | None]]:
    """The elements of a `custom` value, and their tangents by its jvp rule.

    Raises:
        DifferentiationError: it has no such rule.
    """
    rule: Function | None = value.attr("jvp")
    if rule is None:
        raise DifferentiationError(
            f"{_name(value)} has a rule for reverse mode only (custom_vjp); forward mode, which "
            "jvp, hvp, hessian and wide Jacobians use, needs one by custom_jvp"
        )
    graph = args[0].graph
    given = [
        graph.const(0.0, a.type) if t is None else t
        for a, t in zip(args, tangents, strict=True)
        if a.type.dtype.kind == "f"
    ]
    results = iter(inline(rule, (*args, *given)))
    types = elements(value)
    found = [next(results) for _ in types]
    return found, [next(results) if _is_real(t) else None for t in types]


def pull_custom(
    value: Value, bars: Mapping[int, Value], wanted: Sequence[int], replaced: Replaced
) -> dict[int, Value]:
    """The cotangents of the `wanted` operands of a `custom` value, by its vjp rule.

    `bars` are those of its elements. The rule computes the elements too, which from now on take
    the place of those of `value`.

    Raises:
        DifferentiationError: it has no such rule.
    """
    rule: Function | None = value.attr("vjp")
    if rule is None:
        raise DifferentiationError(
            f"{_name(value)} has a rule for forward mode only (custom_jvp); reverse mode, which "
            "grad, vjp and hessian use, needs one by custom_vjp"
        )
    graph, types = value.graph, elements(value)
    given = [
        bars[i] if i in bars else graph.const(0.0, t) for i, t in enumerate(types) if _is_real(t)
    ]
    results = inline(rule, (*value.args, *given))[len(types) :]
    replaced[value] = rule
    real = [i for i, a in enumerate(value.args) if _is_real(a.type)]
    found = dict(zip(real, results, strict=True))
    return {i: found[i] for i in wanted if i in found}


def _is_real(type: Type) -> bool:
    return type.dtype.kind == "f"


def _name(value: Value) -> str:
    return str(value.attr("body").name)
