"""Functions of one point to functions of many: every operation with one more axis, in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.ir import ITEM, Function, Graph, Rule, Value, live
from symdiff.ops import broadcast, custom, scan, transpose
from symdiff.ops.bodies import Body, Loop, items

Spread = tuple[Value, bool]  # a value, and whether it has the axis


def batch(
    fn: Function, axes: Sequence[int | None], size: int, rule: Rule | None = None
) -> Function:
    """`fn` for `size` points at once.

    `axes` has, for each parameter, where its new axis is, or None if all points share it. The
    results have it in front.

    Raises:
        ArgumentError: there is no such axis.
        UnsupportedError: an operation cannot be batched.
    """
    graph = Graph(rule)
    params: list[Value] = []
    known: dict[Value, Spread] = {}
    for param, axis in zip(fn.params, axes, strict=True):
        name, type = param.attr("name"), param.type
        if axis is None:
            params.append(graph.param(name, type))
            known[param] = params[-1], False
            continue
        rank = len(type.shape) + 1
        if not -rank <= axis < rank:
            raise ArgumentError(
                f"vmap: parameter {name!r} has {rank} axes with that of the batch, no axis {axis}"
            )
        place = axis % rank
        shape = (*type.shape[:place], size, *type.shape[place:])
        params.append(graph.param(name, type.with_shape(shape)))
        known[param] = moved_axis(params[-1], place, 0), True
    outputs = [widened(v, has, size) for v, has in spread(graph, fn.outputs, known, size)]
    return Function(f"{fn.name}_vmap", tuple(params), tuple(outputs), fn.result)


def spread(
    graph: Graph, outputs: Sequence[Value], known: Mapping[Value, Spread], size: int
) -> list[Spread]:
    """`outputs` in `graph`, where the values in `known` are what they map to.

    Values of `graph` itself that do not depend on a batched one stay as they are.
    """
    done: dict[Value, Spread] = dict(known)
    elements: dict[Value, list[Spread]] = {}
    for value in live(outputs):
        if value in done:
            continue
        graph.location = value.location
        if value.op is ITEM and value.args[0] in elements:
            done[value] = elements[value.args[0]][value.attr("index")]
            continue
        args = tuple([done[a][0] for a in value.args])
        batched = tuple([done[a][1] for a in value.args])
        if not any(batched):
            same = value.graph is graph and args == value.args
            copy = value if same else graph.add(value.op, args, value.attrs, value.type)
            done[value] = copy, False
        elif value.op is scan:
            elements[value] = _batch_scan(graph, value, args, batched, size)
        elif value.op is custom:
            elements[value] = _batch_custom(graph, value, args, batched, size)
        else:
            done[value] = _batch_op(graph, value, args, batched, size), True
    graph.location = None
    return [done[v] for v in outputs]


def _batch_op(
    graph: Graph, value: Value, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
) -> Value:
    op = value.op
    if op.elementwise:
        wide = [widened(a, has, size) for a, has in zip(args, batched, strict=True)]
        return graph.add(op, tuple(wide), value.attrs)
    if op.batch is None:
        raise UnsupportedError(f"vmap: {op.name} cannot be batched")
    return op.batch(args, batched, size, **dict(value.attrs))


def widened(value: Value, has: bool, size: int) -> Value:
    """`value` with the axis of the batch, along which it is repeated if it had none."""
    if has:
        return value
    shape = (size, *value.type.shape)
    literal = value.literal
    if literal is not None and literal.scalar is not None:
        return value.graph.const(literal.scalar, value.type.with_shape(shape))
    return broadcast(value, shape=shape)


def moved_axis(value: Value, source: int, target: int) -> Value:
    """`value` with one axis at another place."""
    axes = [i for i in range(len(value.type.shape)) if i != source]
    axes.insert(target, source)
    return value if source == target else transpose(value, axes=tuple(axes))


# Operations that hold functions.


def _batch_scan(
    graph: Graph, value: Value, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
) -> list[Spread]:
    """The results of a loop over batches: those carries have the axis that get it in any step."""
    loop = Loop.of(value)
    has = list(batched)
    while True:
        fn, results = _batch_body(loop.body, has, loop.carries, size)
        gained = [i for i in range(loop.carries) if results[i] and not has[i]]
        if not gained:
            break
        for i in gained:
            has[i] = True
    steps = range(loop.carries, loop.carries + loop.inputs)
    operands: list[Value] = []
    for i, (arg, before, after) in enumerate(zip(args, batched, has, strict=True)):
        wide = widened(arg, before, size) if after else arg
        operands.append(moved_axis(wide, 0, 1) if after and i in steps else wide)
    found = items(loop._replace(body=fn).on(graph, operands))
    return [
        (moved_axis(v, 1, 0) if k >= loop.carries and results[k] else v, results[k])
        for k, v in enumerate(found)
    ]


def _batch_body(
    fn: Function, batched: Sequence[bool], fixed: int, size: int
) -> tuple[Function, list[bool]]:
    """`fn` with batched parameters, and which outputs have the axis.

    Of the first `fixed` outputs, at least those have it whose parameter has it.
    """
    body = Body()
    known: dict[Value, Spread] = {}
    for param, has in zip(fn.params, batched, strict=True):
        shape = (size, *param.type.shape) if has else param.type.shape
        known[param] = body.param(param.attr("name"), param.type.with_shape(shape)), has
    outputs: list[Value] = []
    results: list[bool] = []
    for k, (made, has) in enumerate(spread(body.graph, fn.outputs, known, size)):
        wanted = has or (k < fixed and batched[k])
        outputs.append(widened(made, has, size) if wanted else made)
        results.append(wanted)
    return body.function(fn.name, outputs), results


def _batch_custom(
    graph: Graph, value: Value, args: tuple[Value, ...], batched: tuple[bool, ...], size: int
) -> list[Spread]:
    """A function and its rules over batches: all operands and results have the axis."""
    operands = [widened(a, has, size) for a, has in zip(args, batched, strict=True)]
    attrs = tuple((n, _batch_whole(f, size) if f else None) for n, f in value.attrs)
    made = graph.add(custom, tuple(operands), attrs)
    return [(v, True) for v in items(made)]


def _batch_whole(fn: Function, size: int) -> Function:
    body = Body()
    known: dict[Value, Spread] = {}
    for param in fn.params:
        wide = param.type.with_shape((size, *param.type.shape))
        known[param] = body.param(param.attr("name"), wide), True
    spreads = spread(body.graph, fn.outputs, known, size)
    return body.function(fn.name, [widened(v, has, size) for v, has in spreads])
