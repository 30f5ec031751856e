"""The rules of the language, checked."""

from __future__ import annotations

from symdiff.errors import IRError
from symdiff.ir.graph import PARAM, Function
from symdiff.ir.text import with_nested
from symdiff.ir.tree import leaves


def verify(fn: Function) -> None:
    """Check `fn`: one graph, operands before users, types as the type rules say, known parameters.

    The functions in its attributes are checked too.

    Raises:
        IRError: the first rule that is broken, and at which value.
    """
    for function in reversed(with_nested(fn)):
        _verify_one(function)


def _verify_one(fn: Function) -> None:
    if not fn.outputs:
        raise IRError(f"@{fn.name} has no outputs")
    if len(leaves(fn.result)) != len(fn.outputs):
        raise IRError(f"@{fn.name}: {len(fn.outputs)} outputs, {len(leaves(fn.result))} leaves")
    graph = fn.graph
    for value in (*fn.params, *fn.outputs):
        if value.graph is not graph:
            raise IRError(f"@{fn.name}: {value!r} belongs to another graph")
    if len(set(fn.param_names)) != len(fn.params):
        raise IRError(f"@{fn.name}: a parameter is named twice: {', '.join(fn.param_names)}")
    for value in fn.live():
        if value.op is PARAM and value not in fn.params:
            raise IRError(f"@{fn.name}: {value!r} is not among the parameters")
        for arg in value.args:
            if arg.graph is not graph or arg.index >= value.index:
                raise IRError(f"@{fn.name}: {value!r} uses {arg!r}, which is not before it")
        expected = value.op.type_of(value.args, value.attrs)
        if value.type != expected:
            raise IRError(f"@{fn.name}: {value!r} has type {value.type}, its rule says {expected}")
