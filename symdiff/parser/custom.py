"""Functions whose derivatives the user writes, in JAX's protocol."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ArgumentError, ShapeError
from symdiff.ir import Function, Graph, Type, Value
from symdiff.ops import arrays, custom
from symdiff.ops.bodies import Body, extract, items
from symdiff.parser.capture import BodyGraph, current, tracing
from symdiff.parser.places import place, trace_error
from symdiff.parser.recording import described, graph_of, need_shapes, recorded
from symdiff.parser.structures import (
    Parts,
    filled,
    is_traced,
    lifted,
    name_of,
    same_structure,
    taken_apart,
)
from symdiff.parser.tracer import Tracer

_MOST: Final = 64  # kinds of arguments for which a function and its rules are kept


class CustomFunction:
    """A function with rules for its derivatives; see `custom_vjp` and `custom_jvp`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._forward: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None
        self._push: Callable[..., Any] | None = None
        self._known: dict[Any, tuple[Parts, dict[str, Function | None]]] = {}
        self._busy = threading.local()
        update_wrapper(self, function)

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Take up the rule for reverse mode.

        `fwd(*args)` returns `(output, residuals)`; `bwd(residuals, cotangent)` a tuple with the
        cotangent of each argument, None for zero.
        """
        self._forward, self._backward = fwd, bwd
        self._known.clear()

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Take up the rule for forward mode: `jvp(primals, tangents)`, both tuples.

        It returns `(output, tangent of the output)`, None for a tangent of zero.
        """
        self._push = jvp
        self._known.clear()
        return jvp

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives; within a function being traced, with the rules attached.

        Within its own rules it is the function without them.
        """
        graph = current()
        arguments = self._bound(args, kwargs)
        if graph is None or getattr(self._busy, "tracing", False):
            return self._function(*arguments)
        given = taken_apart(arguments, "argument")
        if not is_traced(given):
            return self._function(*arguments)
        graph = graph_of(given.leaves)
        need_shapes(graph, f"{self._name}, which has a derivative of its own,")
        operands = [lifted(graph, leaf) for leaf in given.leaves]
        return recorded(graph, self.prepared(given, operands), graph, operands)

    def prepared(
        self, given: Parts, operands: Sequence[Value]
    ) -> Callable[[Graph, Sequence[Value]], Any]:
        """What adds the function to a graph and returns its result; for arguments such as these."""
        output, functions = self._known_for(given, operands)
        attrs = tuple(sorted(functions.items()))
        return lambda graph, values: output.traced(items(graph.add(custom, tuple(values), attrs)))

    @property
    def _name(self) -> str:
        return name_of(self._function, "function")

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments by position, defaults included."""
        try:
            bound = inspect.signature(self._function).bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{place()}{self._name}: {error}") from None
        bound.apply_defaults()
        if bound.kwargs:
            named = ", ".join(bound.kwargs)
            raise ArgumentError(f"{place()}{self._name}: {named}: arguments by name only")
        return bound.args

    def _known_for(
        self, given: Parts, operands: Sequence[Value]
    ) -> tuple[Parts, dict[str, Function | None]]:
        """What `_traced` gives for such arguments, which is kept."""
        types = tuple([o.type for o in operands])
        key = given.tree, types
        if key not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = self._traced(given, types)
        return self._known[key]

    def _traced(
        self, given: Parts, types: Sequence[Type]
    ) -> tuple[Parts, dict[str, Function | None]]:
        """The structure of the result, and the function and its rules for such arguments."""
        rules = _Rules(self._name, given, types)
        body, output = rules.body(self._function)
        vjp = jvp = None
        self._busy.tracing = True
        try:
            if self._forward is not None and self._backward is not None:
                vjp = rules.vjp(output, self._forward, self._backward)
            if self._push is not None:
                jvp = rules.jvp(output, self._push)
        finally:
            self._busy.tracing = False
        return output, {"body": body, "vjp": vjp, "jvp": jvp}


class _Rules:
    """A function and its rules, traced for arguments of given structure and types."""

    def __init__(self, name: str, given: Parts, types: Sequence[Type]) -> None:
        self._name = name
        self._given = given
        self._types = types
        self._results: list[Type] = []

    def body(self, function: Callable[..., Any]) -> tuple[Function, Parts]:
        """The function itself, and the structure of its result."""
        graph, params = self._begun(self._name, "argument", self._types)
        with tracing(graph):
            result = function(*self._arguments(params))
        output = taken_apart(result, "output")
        values = [lifted(graph, leaf) for leaf in output.leaves]
        self._results = [v.type for v in values]
        return self._finished(self._name, params, values), output

    def vjp(
        self, output: Parts, forward: Callable[..., Any], backward: Callable[..., Any]
    ) -> Function:
        """Operands and cotangents to outputs and cotangents of the operands."""
        name = name_of(backward, "bwd")
        graph, params = self._begun(name, "argument", self._types)
        bars = [graph.param(f"cotangent {i}", t) for i, t in enumerate(self._results)]
        with tracing(graph):
            result = forward(*self._arguments(params))
            first = self._pair(name_of(forward, "fwd"), "(output, residuals)", result)
            values = self._outputs(graph, output, first[0], name_of(forward, "fwd"))
            cotangents = backward(first[1], output.built(_seeds(bars)))
        shares = self._shares(graph, params, cotangents, name)
        real = [b for b in bars if _is_real(b.type)]
        return self._finished(name, [*params, *real], [*values, *shares])

    def jvp(self, output: Parts, push: Callable[..., Any]) -> Function:
        """Operands and tangents to outputs and tangents of the outputs."""
        name = name_of(push, "jvp")
        graph, params = self._begun(name, "argument", self._types)
        tangents = [graph.param(f"tangent {i}", t) for i, t in enumerate(self._types)]
        with tracing(graph):
            directions = self._given.built(_seeds(tangents))
            result = push(self._arguments(params), directions)
        first = self._pair(name, "(output, tangent)", result)
        values = self._outputs(graph, output, first[0], name)
        pushed = _matched(
            graph, output, first[1], self._results, f"{name}: the tangent of the output"
        )
        real = [t for t in tangents if _is_real(t.type)]
        return self._finished(name, [*params, *real], [*values, *pushed])

    def _begun(self, name: str, kind: str, types: Sequence[Type]) -> tuple[BodyGraph, list[Value]]:
        """A graph with the operands as parameters."""
        graph = BodyGraph(None, name)
        return graph, [graph.param(f"{kind} {i}", t) for i, t in enumerate(types)]

    def _arguments(self, params: Sequence[Value]) -> Any:
        return self._given.traced(params)

    def _pair(self, rule: str, what: str, result: Any) -> tuple[Any, Any]:
        if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
            raise trace_error(
                f"{self._name}: {rule} must return {what}, it returned {described(result)}"
            )
        return cast("tuple[Any, Any]", result)

    def _outputs(self, graph: Graph, output: Parts, result: Any, rule: str) -> list[Value]:
        """The outputs as a rule computes them, which are of the types of the function's."""
        what = f"{self._name}: the output that {rule} returns"
        found = same_structure(output, result, "output", what)
        values: list[Value] = []
        for leaf, type in zip(found.leaves, self._results, strict=True):
            value = lifted(graph, leaf, type.dtype)
            if value.type != type:
                raise ShapeError(
                    f"{place()}{what} is {value.type}, but {self._name} returns {type}"
                )
            values.append(value)
        return values

    def _shares(
        self, graph: Graph, params: Sequence[Value], cotangents: Any, name: str
    ) -> list[Value]:
        """The cotangents of the real operands."""
        arguments = self._arguments(params)
        if isinstance(cotangents, list):
            cotangents = tuple(cast("list[Any]", cotangents))
        count = len(arguments)
        if not isinstance(cotangents, tuple) or len(cast("tuple[Any]", cotangents)) != count:
            raise trace_error(
                f"{self._name}: {name} must return a tuple with {count} cotangents, one for each "
                f"argument, it returned {described(cotangents)}"
            )
        found: list[Value] = []
        types = iter(self._types)
        pairs = zip(arguments, cast("tuple[Any]", cotangents), strict=True)
        for i, (argument, cotangent) in enumerate(pairs):
            part = taken_apart(argument, f"argument_{i}")
            wanted = [next(types) for _ in part.leaves]
            what = f"{name}: the cotangent of argument {i} of {self._name}"
            found += _matched(graph, part, cotangent, wanted, what)
        return found

    def _finished(self, name: str, params: Sequence[Value], outputs: Sequence[Value]) -> Function:
        made = Body()
        known = {p: made.param(str(p.attr("name")).replace(" ", "_"), p.type) for p in params}
        return made.function(name, extract(made.graph, outputs, known))


def _matched(
    graph: Graph, like: Parts, result: Any, types: Sequence[Type], what: str
) -> list[Value]:
    """The derivatives in `result`, of the structure of `like`, for the real ones of `types`.

    Raises:
        TraceError: another structure.
        ShapeError: another shape.
    """
    found: list[Value] = []
    for leaf, type in zip(filled(like, result, what), types, strict=True):
        if not _is_real(type):
            continue
        value = graph.const(0.0, type)
        if leaf is not None:
            value = arrays.cast(lifted(graph, leaf, type.dtype), type.dtype)
        if value.type != type:
            raise ShapeError(f"{place()}{what} is {value.type}, expected {type}")
        found.append(value)
    return found


def _seeds(params: Sequence[Value]) -> list[Any]:
    """Cotangents or tangents as rules get them; zeros for what has no derivative."""
    return [
        Tracer(p) if _is_real(p.type) else np.zeros(p.type.shape, p.type.dtype.numpy)
        for p in params
    ]


def _is_real(type: Type) -> bool:
    return type.dtype.kind == "f"


def custom_vjp(function: Callable[..., Any]) -> CustomFunction:
    """`function` with a rule for reverse mode, to be given by `defvjp`.

    >>> import symdiff as sd
    >>> @sd.custom_vjp
    ... def clipped(x):
    ...     return x * 1.0
    >>> def fwd(x):
    ...     return clipped(x), None
    >>> def bwd(residuals, bar):
    ...     return (sd.numpy.clip(bar, -1.0, 1.0),)
    >>> clipped.defvjp(fwd, bwd)
    >>> sd.grad(lambda x: 5.0 * clipped(x), args={"x": "f64"})(3.0)
    1.0
    """
    return CustomFunction(function)


def custom_jvp(function: Callable[..., Any]) -> CustomFunction:
    """`function` with a rule for forward mode, to be given by `defjvp`.

    >>> import symdiff as sd
    >>> @sd.custom_jvp
    ... def f(x):
    ...     return x * x
    >>> @f.defjvp
    ... def f_jvp(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return f(x), 3.0 * x * dx
    >>> sd.jvp(f, args={"x": "f64"})(2.0, 1.0)
    (4.0, 6.0)
    """
    return CustomFunction(function)
