"""Loops in Python sources: a step that is traced once, and repeated by the kernel."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from symdiff.errors import ArgumentError, NeedsShapes, ShapeError
from symdiff.ir import DType, Function, Graph, Type, Value, i64, interpret
from symdiff.ops import add, concatenate, iota, reshape, slice_
from symdiff.ops.bodies import Body, Loop, extract, items, upto
from symdiff.parser.capture import BodyGraph, current, tracing
from symdiff.parser.places import place, trace_error
from symdiff.parser.recording import Traced, described, graph_of, need_shapes, recorded
from symdiff.parser.structures import (
    Parts,
    is_traced,
    is_weak,
    lifted,
    name_of,
    same_structure,
    taken_apart,
)
from symdiff.parser.tracer import Tracer

Step = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    step: Step,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: int | None = None,
) -> tuple[Any, Any]:
    """The last carry, and the outputs of all steps stacked: a loop that is not unrolled.

    `step(carry, x)` gives the next carry and an output. The first carry is `init`; `x` has the
    elements of `xs` along their first axis, from the last one back with `reverse`; outputs stay
    at the place of their `x`. Carry, `x` and output are numbers, arrays, None, or tuples, lists,
    dicts and dataclasses of such. A step may use values of the function around it.

    Reverse mode keeps what it needs of every step. With `checkpoint=k` it keeps the carry of
    every k-th step, and computes the k steps from there again.

    Raises:
        TraceError: `step` does not give a carry of the structure of `init` and an output.
        ShapeError: the carry changes its shape or dtype from one step to the next, or the lengths
            of `xs` differ.
        ArgumentError: no length, or one that is not a number of steps.

        >>> import symdiff as sd
        >>> sd.scan(lambda total, x: (total + x, total), 0.0, [1.0, 2.0, 3.0])
        (6.0, array([0., 1., 3.]))
    """
    carry, inputs = taken_apart(init, "carry"), taken_apart(_as_arrays(xs), "x")
    graph = current()
    if graph is None and (is_traced(carry) or is_traced(inputs)):
        graph = graph_of([*carry.leaves, *inputs.leaves])
    if graph is not None:
        need_shapes(graph, "a loop by sd.scan")
    count = _length(inputs, length)
    every = None if checkpoint is None else _whole("checkpoint", checkpoint, 1)
    if graph is None:
        return _run(step, carry, inputs, count, reverse)
    traced = _TracedStep(graph, step, carry, inputs)
    finals, ys = recorded(graph, traced.loop, count, reverse, every)
    return traced.carry.traced(finals), traced.output.traced(ys)


def fori_loop(lower: int, upper: int, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """The last carry of `body(i, carry)` for i from `lower` up to, not including, `upper`.

    See `scan`; `i` is a whole number that can index arrays.

        >>> import symdiff as sd
        >>> sd.fori_loop(0, 5, lambda i, total: total + i, 0)
        10
    """
    first, last = _whole("lower", lower), _whole("upper", upper)
    count = max(0, last - first)
    graph = current()
    numbers: Any = np.arange(first, first + count)
    if graph is not None:
        need_shapes(graph, "a loop by sd.fori_loop")
        along = iota(graph, (count,), 0, i64)
        if first:
            along = add(along, graph.const(first, along.type))
        numbers = Tracer(along)

    def step(carry: Any, i: Any) -> tuple[Any, None]:
        return body(i, carry), None

    step.__name__ = name_of(body)
    return scan(step, init, numbers)[0]


def _as_arrays(xs: Any) -> Any:
    """`xs`; a list of plain numbers is taken for an array, not for a structure."""
    if isinstance(xs, (list, tuple)):
        parts = cast("Sequence[Any]", xs)
        if parts and all(is_weak(p) or isinstance(p, np.generic) for p in parts):
            return np.asarray(parts)
    return cast("Any", xs)


def _whole(name: str, number: Any, least: int | None = None) -> int:
    if isinstance(number, Traced):
        raise trace_error(f"{name} is a traced value; the number of steps must be a Python int")
    try:
        found = operator.index(number)
    except TypeError:
        raise ArgumentError(f"{place()}{name}={number!r}: expected a whole number") from None
    if least is not None and found < least:
        raise ArgumentError(f"{place()}{name}={found}: expected at least {least}")
    return found


def _length(inputs: Parts, length: int | None) -> int:
    """The number of steps."""
    count = None if length is None else _whole("length", length, 0)
    for name, leaf in zip(inputs.names, inputs.leaves, strict=True):
        shape = _shape(leaf)
        if not shape:
            raise ShapeError(
                f"{place()}sd.scan: {name} of xs is a scalar; it needs an axis of steps"
            )
        if count is not None and shape[0] != count:
            raise ShapeError(
                f"{place()}sd.scan: {name} of xs has {shape[0]} elements along its first axis, "
                f"expected {count}"
            )
        count = shape[0]
    if count is None:
        raise ArgumentError(f"{place()}sd.scan: give xs or length=, the number of steps")
    return count


def _shape(leaf: Any) -> tuple[int, ...]:
    return leaf.value.type.shape if isinstance(leaf, Tracer) else np.shape(leaf)


def _carry_and_output(step: Step, result: Any) -> tuple[Any, Any]:
    """The two parts of what `step` returned.

    Raises:
        TraceError: it returned something else.
    """
    if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
        raise trace_error(
            f"sd.scan: {name_of(step)}(carry, x) must return a tuple (carry, output), "
            f"it returned {described(result)}"
        )
    return cast("tuple[Any, Any]", result)


def _same_carry(carry: Parts, after: Any, step: Step) -> Parts:
    what = f"sd.scan: the carry that {name_of(step)} returns"
    return same_structure(carry, after, "carry", what)


# Steps that are traced.


class _TracedStep:
    """A step as a function of carries, inputs of the step, and the rest: what it reads outside.

    Attributes:
        carry, output: the structures of the carry and of the output.
        outputs: the output of a step.
    """

    def __init__(self, graph: Graph, step: Step, carry: Parts, inputs: Parts) -> None:
        self._graph = graph
        self._step = step
        self._inputs = inputs
        self.carry = carry
        self._xs = [lifted(graph, leaf) for leaf in inputs.leaves]
        weak = [i for i, leaf in enumerate(carry.leaves) if is_weak(leaf)]
        dtypes = self._dtypes_given(weak) if weak else {}
        self._starts = [lifted(graph, leaf, dtypes.get(i)) for i, leaf in enumerate(carry.leaves)]
        self._trace()

    def _dtypes_given(self, weak: Sequence[int]) -> dict[int, DType]:
        """The dtypes that a step gives to carries which start as Python numbers.

        The step is tried with the numbers themselves, which take the dtype of what they meet.
        """
        body = BodyGraph(self._graph, "a step")
        leaves = [
            leaf if i in weak else Tracer(body.param(f"carry {i}", lifted(self._graph, leaf).type))
            for i, leaf in enumerate(self.carry.leaves)
        ]
        try:
            found, _ = self._called(body, leaves)
        except NeedsShapes:
            raise
        except Exception:
            return {}  # a step that cannot do with numbers tells so when it is traced
        return {i: lifted(body, found.leaves[i]).type.dtype for i in weak}

    def _called(self, body: BodyGraph, leaves: Sequence[Any]) -> tuple[Parts, Parts]:
        """The carry and the output after one step, as Tracers of `body` and numbers."""
        xs = [
            Tracer(body.param(f"x {i}", x.type.with_shape(x.type.shape[1:])))
            for i, x in enumerate(self._xs)
        ]
        with tracing(body):
            result = self._step(self.carry.built(leaves), self._inputs.built(xs))
        after, output = _carry_and_output(self._step, result)
        return _same_carry(self.carry, after, self._step), taken_apart(output, "output")

    def _trace(self) -> None:
        body = BodyGraph(self._graph, "a step")
        before = [body.param(f"carry {i}", s.type) for i, s in enumerate(self._starts)]
        found, self.output = self._called(body, [Tracer(p) for p in before])
        after = [
            lifted(body, leaf, p.type.dtype) for leaf, p in zip(found.leaves, before, strict=True)
        ]
        for name, old, new in zip(self.carry.names, before, after, strict=True):
            if old.type != new.type:
                raise ShapeError(
                    f"{place()}sd.scan: {name} goes into {name_of(self._step)} as {old.type} and "
                    f"comes out as {new.type}; a carry keeps its shape and dtype{_advice(old, new)}"
                )
        outputs = [lifted(body, leaf) for leaf in self.output.leaves]
        self._body, self._before, self._after, self.outputs = body, before, after, outputs

    def loop(
        self, length: int, reverse: bool, every: int | None
    ) -> tuple[list[Value], list[Value]]:
        """The final carries and the stacked outputs of the loop, built in the graph around it."""
        # A carry that no step changes is one of the values that the step reads.
        moving = [i for i, p in enumerate(self._before) if self._after[i] is not p]
        results = [*(self._after[i] for i in moving), *self.outputs]
        used = set(upto(results, ()))
        made = Body()
        known: dict[Value, Value] = {}

        def enter(inner: Value, name: str) -> None:
            known[inner] = made.param(name, inner.type)

        for i in moving:
            enter(self._before[i], self.carry.names[i])
        xs: list[Value] = []
        for i, (name, x) in enumerate(zip(self._inputs.names, self._xs, strict=True)):
            inner = self._body.param(f"x {i}", x.type.with_shape(x.type.shape[1:]))
            if inner in used:
                enter(inner, name)
                xs.append(x)
        rest: list[Value] = []
        for i, inner in enumerate(self._before):
            if i not in moving and inner in used:
                enter(inner, self.carry.names[i])
                rest.append(self._starts[i])
        for outer, inner in self._body.captured.items():
            if inner in used:
                enter(inner, _written(outer))
                rest.append(outer)
        if not results:
            return list(self._starts), []
        fn = made.function(name_of(self._step), extract(made.graph, results, known))
        loop = Loop(fn, len(moving), len(xs), length, reverse, checkpoint=False)
        starts = [self._starts[i] for i in moving]
        if every is None:
            found = items(loop.on(self._graph, [*starts, *xs, *rest]))
        else:
            found = _in_blocks(self._graph, loop, starts, xs, rest, every)
        finals = list(self._starts)
        for i, value in zip(moving, found, strict=False):
            finals[i] = value
        return finals, found[len(moving) :]


def _advice(old: Value, new: Value) -> str:
    if old.type.shape == new.type.shape:
        return f"; start with a carry of dtype {new.type.dtype}"
    return ""


def _written(value: Value) -> str:
    """What a value is called where it is read: a parameter by its name."""
    name = dict(value.attrs).get("name")
    return name if isinstance(name, str) and name.isidentifier() else "outer"


def _in_blocks(
    graph: Graph,
    loop: Loop,
    starts: Sequence[Value],
    xs: Sequence[Value],
    rest: Sequence[Value],
    every: int,
) -> list[Value]:
    """The results of `loop`, run in blocks of `every` steps, of which only the starts are kept.

    What is left over at the end of the loop is a loop of its own.
    """
    blocks, left = divmod(loop.length, every)
    whole = blocks * every
    first = loop.length - whole if loop.reverse else 0  # of the steps that are in blocks
    carries, ys = list(starts), list[list[Value]]()
    if blocks:
        body = Body()
        params = loop.body.params
        outer = [body.like(p) for p in params[: loop.carries]]
        outer += [
            body.param(p.attr("name"), p.type.with_shape((every, *p.type.shape)))
            for p in params[loop.carries : loop.carries + loop.inputs]
        ]
        outer += [body.like(p) for p in params[loop.carries + loop.inputs :]]
        inner = loop._replace(length=every).on(body.graph, outer)
        fn = body.function(f"{loop.body.name}_block", items(inner))
        over = loop._replace(body=fn, length=blocks, checkpoint=True)
        stacked = [
            reshape(part, shape=(blocks, every, *part.type.shape[1:]))
            for part in (_steps(x, first, whole) for x in xs)
        ]
        found = items(over.on(graph, [*carries, *stacked, *rest]))
        carries, steps = found[: loop.carries], found[loop.carries :]
        ys.append([reshape(y, shape=(whole, *y.type.shape[2:])) for y in steps])
    if left or not blocks:
        tail = [_steps(x, 0 if loop.reverse else whole, left) for x in xs]
        found = items(loop._replace(length=left).on(graph, [*carries, *tail, *rest]))
        carries = found[: loop.carries]
        ys.insert(0 if loop.reverse else len(ys), found[loop.carries :])
    if len(ys) == 1:
        return [*carries, *ys[0]]
    return [*carries, *(concatenate(*pair, axis=0) for pair in zip(*ys, strict=True))]


def _steps(x: Value, first: int, count: int) -> Value:
    """The elements of `x` for `count` steps."""
    shape = x.type.shape
    if (first, count) == (0, shape[0]):
        return x
    if 0 in shape or not count:
        return x.graph.const(0, x.type.with_shape((count, *shape[1:])))
    start = (first, *(0 for _ in shape[1:]))
    return slice_(x, start=start, step=(1,) * len(shape), shape=(count, *shape[1:]))


# Steps that are run.


def _run(step: Step, carry: Parts, inputs: Parts, count: int, reverse: bool) -> tuple[Any, Any]:
    """The loop outside of any trace: carried out by Python, step by step."""
    if count == 0:
        return _nothing(step, carry, inputs)
    state = carry.built(carry.leaves)
    outputs: list[Parts] = []
    arrays = [np.asarray(leaf) for leaf in inputs.leaves]
    for i in reversed(range(count)) if reverse else range(count):
        # Numbers are Python's, as what a kernel returns.
        here = [a[i].item() if a.ndim == 1 else a[i] for a in arrays]
        result = step(state, inputs.built(here))
        state, output = _carry_and_output(step, result)
        _same_carry(carry, state, step)
        outputs.append(taken_apart(output, "output"))
    if reverse:
        outputs.reverse()
    columns = zip(*(o.leaves for o in outputs), strict=True)
    return state, outputs[0].built([np.stack(column) for column in columns])


def _nothing(step: Step, carry: Parts, inputs: Parts) -> tuple[Any, Any]:
    """The results of no step: the carry, and outputs whose shapes tracing tells."""
    graph = Graph()
    traced = _TracedStep(graph, step, carry, inputs)
    outputs = [graph.const(0, Type(v.type.dtype, (0, *v.type.shape))) for v in traced.outputs]
    found = interpret(Function("f", (), tuple(outputs)), []) if outputs else []
    return carry.built(carry.leaves), traced.output.built(found)
