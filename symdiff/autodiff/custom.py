"""Functions with derivatives of their own: the rules that their users have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from symdiff.autodiff.bodies import Replaced, settled
from symdiff.autodiff.scan_reverse import Backpropagate
from symdiff.errors import DifferentiationError
from symdiff.ir import Function, Graph, Type, Value
from symdiff.ops import gate, gate_backward, inline
from symdiff.ops.bodies import elements

_FORWARD: Final = (
    "jvp goes forward, and so do Jacobians of more outputs than parameters: take "
    'mode="reverse" where there is a choice'
)


def without_rule(value: Value, mode: str) -> DifferentiationError:
    """The error for an operation that has no derivative rule for a mode."""
    if value.op is gate:
        name = value.attr("use").name
        return DifferentiationError(f"{name} is a gate, which has reverse mode only; {_FORWARD}")
    if value.op is gate_backward:
        name = value.attr("use").name
        return DifferentiationError(
            f"{name} is a gate that needs numbers, whose backward has no derivative of its own: "
            "for second derivatives write it over NumPy's functions and sd.where"
        )
    return DifferentiationError(f"{value.op.name} has no derivative rule for {mode} mode")


def push_custom(
    value: Value, args: tuple[Value, ...], tangents: Sequence[Value | None]
) -> tuple[list[Value], list[Value | None]]:
    """The elements of a `custom` value, and their tangents by its jvp rule.

    Raises:
        DifferentiationError: it has no such rule.
    """
    rule: Function | None = value.attr("jvp")
    if rule is None:
        _require_rule(value)
        raise DifferentiationError(
            f"{_name(value)} has a rule for reverse mode only, as gates and functions of "
            f"custom_vjp have; {_FORWARD}, or give a function a rule by custom_jvp, which a gate "
            "cannot have"
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
    value: Value,
    bars: Mapping[int, Value],
    wanted: Sequence[int],
    replaced: Replaced,
    backpropagate: Backpropagate,
) -> dict[int, Value]:
    """The cotangents of the `wanted` operands of a `custom` value, by its vjp rule, or by its jvp
    rule transposed.

    `bars` are those of its elements. The rule computes the elements too, which from now on take
    the place of those of `value`. `backpropagate` is reverse mode itself.

    Raises:
        DifferentiationError: it has no rule.
    """
    rule: Function | None = value.attr("vjp")
    if rule is None:
        _require_rule(value)
        rule = _transposed(value, backpropagate)
    graph, types = value.graph, elements(value)
    given = [
        bars[i] if i in bars else graph.const(0.0, t) for i, t in enumerate(types) if _is_real(t)
    ]
    results = inline(rule, (*value.args, *given))[len(types) :]
    replaced[value] = rule
    real = [i for i, a in enumerate(value.args) if _is_real(a.type)]
    found = dict(zip(real, results, strict=True))
    return {i: found[i] for i in wanted if i in found}


def _transposed(value: Value, backpropagate: Backpropagate) -> Function:
    """The vjp rule that the jvp rule of `value` implies: operands and cotangents to the elements
    and the cotangents of the operands.

    A jvp rule is linear in the tangents, so that its derivative is the same at all of them: they
    are taken to be zero.
    """
    rule: Function = value.attr("jvp")
    types = elements(value)
    graph = Graph()
    params = [graph.param(f"operand_{i}", p.type) for i, p in enumerate(rule.params)]
    operands, tangents = params[: len(value.args)], params[len(value.args) :]
    bars = [graph.param(f"cotangent_{i}", t) for i, t in enumerate(types) if _is_real(t)]
    outputs = inline(rule, tuple(params))
    found, pushed = outputs[: len(types)], outputs[len(types) :]
    replaced: Replaced = {}
    shares = backpropagate(graph, pushed, bars, tangents, replaced)
    linear = settled(Function(rule.name, (*params, *bars), (*found, *shares)), replaced)
    graph = Graph()
    known = [graph.param(str(p.attr("name")), p.type) for p in (*operands, *bars)]
    zeros = [graph.const(0.0, t.type) for t in tangents]
    own, given = known[: len(operands)], known[len(operands) :]
    return Function(rule.name, tuple(known), inline(linear, (*own, *zeros, *given)))


def _require_rule(value: Value) -> None:
    if value.attr("vjp") is None and value.attr("jvp") is None:
        raise DifferentiationError(
            f"{_name(value)} has no rule for its derivative yet; give it one by defvjp or defjvp"
        )


def _is_real(type: Type) -> bool:
    return type.dtype.kind == "f"


def _name(value: Value) -> str:
    return str(value.attr("body").name)
