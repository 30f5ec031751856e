"""A function in another floating-point precision."""

from __future__ import annotations

from symdiff.ir import DType, Function, Graph, Literal, Value
from symdiff.ops import convert


def as_dtype(fn: Function, dtype: DType) -> Function:
    """`fn` with every floating-point parameter, constant and operation in `dtype`."""
    graph = Graph()
    known: dict[Value, Value] = {}
    for param in fn.params:
        floating = param.type.dtype.kind == "f"
        type = param.type.with_dtype(dtype) if floating else param.type
        known[param] = graph.param(param.attr("name"), type)
    params = tuple(known.values())
    for value in fn.live():
        if value in known:
            continue
        graph.location = value.location
        attrs = value.attrs
        if value.type.dtype.kind == "f":
            if value.literal is not None:
                attrs = (("value", _converted(value.literal, dtype)),)
            elif value.op is convert:
                attrs = (("dtype", dtype.name),)
        known[value] = graph.add(value.op, tuple([known[a] for a in value.args]), attrs)
    return Function(fn.name, params, tuple(known[v] for v in fn.outputs), fn.result)


def _converted(literal: Literal, dtype: DType) -> Literal:
    exact = literal.array if literal.scalar is None else literal.scalar
    return Literal.of(exact, literal.type.with_dtype(dtype))
