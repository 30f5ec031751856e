"""Functions of libm that do not depend on each other, called for several operands at once.

In long straight-line code most of the time goes to sin, exp and the like, one call for one number;
a vector function takes eight numbers in the time of one. This pass brings together what can be
called together, as operations `map_points`, whose bodies are the functions: tanh and its
derivative at one operand, say, are one body with two outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from symdiff.errors import ShapeError
from symdiff.ir import (
    F64,
    ITEM,
    Attrs,
    Function,
    Graph,
    Op,
    TupleType,
    Value,
    copy_params,
)
from symdiff.ops import inline, map_points
from symdiff.ops.bodies import flat_tree
from symdiff.passes.contract import CONTRACTED, contract, contraction
from symdiff.passes.expand import expand, to_expand
from symdiff.passes.pipeline import run

LEAST: Final = 4  # points of a group: for fewer, vectors gain nothing
MOST: Final = 512

Args = tuple[Value, ...]
Kind = tuple[tuple[Op, Attrs], ...]  # what is applied to the operands of a point
Group = dict[Args, list[Value]]  # by the operands of each point, what is applied to them


def group_calls(fn: Function) -> Function:
    """`fn` for the back end, with calls of libm in groups, computed as early as they can be.

    Two calls with equally many calls on the longest way to each cannot depend on each other: those
    of one kind become a group. All else stays in order, what a group needs before it. Both `fn` and
    the bodies of the groups are expanded and contracted.
    """
    values = fn.live()
    levels = [
        {kind: group for kind, group in groups.items() if len(group) >= LEAST}
        for groups in _levels(values)
    ]
    if not any(levels):
        return run((expand, contract), fn)
    parts = _parts(values, levels)
    expanded = set(to_expand([value for part in parts for value in part]))
    fuse = contraction(fn)
    results: dict[Value, list[Value]] = {}  # of operations with several
    bodies: dict[tuple[Kind, int], Function] = {}

    def body(kind: Kind, arity: int) -> Function:
        """The one body of a kind: groups that share it share its code."""
        if (kind, arity) not in bodies:
            bodies[kind, arity] = _body(kind, arity)
        return bodies[kind, arity]

    def visit(value: Value, args: Args) -> Value | None:
        if value.op is ITEM:
            items = results.get(value.args[0])
            index: int = value.attr("index")
            return None if items is None else items[index]
        if value in expanded:
            return inline(body(((value.op, value.attrs),), len(args)), args)[0]
        return fuse(value, args) if value.op in CONTRACTED else None

    ops = {ITEM, *CONTRACTED, *(value.op for value in expanded)}
    graph = Graph()
    known = copy_params(graph, fn)
    params = tuple(known.values())
    for part, groups in zip(parts, [*levels, {}], strict=True):
        graph.take(part, known, visit, ops)
        for kind, group in groups.items():
            for points in _split(group):
                _add(graph, body(kind, len(next(iter(points)))), points, known, results)
    graph.location = None
    return Function(fn.name, params, tuple([known[o] for o in fn.outputs]), fn.result)


def _levels(values: Sequence[Value]) -> list[dict[Kind, Group]]:
    """The calls by the number of calls on the longest way to them, and by kind."""
    depth = [0] * (values[-1].index + 1)  # by index
    found: list[Group] = []
    calls: dict[tuple[Op, Attrs] | Op, bool] = {}
    for value in values:
        args, op = value.args, value.op
        if not args:
            continue
        level = depth[args[0].index]
        for arg in args[1:]:
            level = max(level, depth[arg.index])
        key = (op, value.attrs) if value.attrs else op
        is_call = calls.get(key)
        if is_call is None:
            is_call = calls[key] = _is_call(op, value.attrs, len(args))
        if is_call and args[0].type == F64:
            while level >= len(found):
                found.append({})
            found[level].setdefault(args, []).append(value)
            level += 1
        depth[value.index] = level
    levels: list[dict[Kind, Group]] = []
    for group in found:
        kinds: dict[Kind, Group] = {}
        for args, applied in group.items():
            applied.sort(key=lambda v: v.op.name)
            kinds.setdefault(tuple([(v.op, v.attrs) for v in applied]), {})[args] = applied
        levels.append(kinds)
    return levels


def _split(group: Group) -> Iterator[Group]:
    """The group as groups of at most `MOST` points: what uses them is a function each."""
    points = iter(group.items())
    while part := dict(islice(points, MOST)):
        yield part


def _parts(values: Sequence[Value], levels: list[dict[Kind, Group]]) -> list[list[Value]]:
    """The values outside groups: those that each level needs and no earlier one, and the rest."""
    last = len(levels)
    at = [last] * (values[-1].index + 1)  # by index; a group comes before all that need it
    grouped = bytearray(len(at))
    for level, groups in enumerate(levels):
        for group in groups.values():
            for applied in group.values():
                for value in applied:
                    at[value.index] = level
                    grouped[value.index] = 1
    for value in reversed(values):
        level = at[value.index]
        for arg in value.args:
            if at[arg.index] > level:
                at[arg.index] = level
    parts: list[list[Value]] = [[] for _ in range(last + 1)]
    for value in values:
        if not grouped[value.index]:
            parts[at[value.index]].append(value)
    return parts


def _add(
    graph: Graph,
    body: Function,
    group: Group,
    known: dict[Value, Value],
    results: dict[Value, list[Value]],
) -> None:
    """Add a group, and say in `known` what takes the place of its values.

    Of those with several results, that is the first one; all of them are in `results`.
    """
    count = len(group)
    operands = tuple([known[a] for args in zip(*group, strict=True) for a in args])
    graph.location = next(iter(group.values()))[0].location
    type = TupleType((F64,) * (count * len(body.outputs)))
    made = graph.add(map_points, operands, (("body", body),), type)
    for i, applied in enumerate(group.values()):
        first = i
        for value in applied:
            width = len(value.type.elements) if isinstance(value.type, TupleType) else 1
            items = [
                graph.add(ITEM, (made,), (("index", first + k * count),), F64) for k in range(width)
            ]
            first += width * count
            if width > 1:
                results[value] = items
            known[value] = items[0]


def _body(kind: Kind, arity: int) -> Function:
    """The function of `arity` numbers that returns what all of `kind` give on them."""
    graph = Graph()
    params = tuple([graph.param(f"x{i}", F64) for i in range(arity)])
    outputs: list[Value] = []
    for op, attrs in kind:
        made = graph.add(op, params, attrs)
        if isinstance(made.type, TupleType):
            count = len(made.type.elements)
            outputs += [graph.add(ITEM, (made,), (("index", i),)) for i in range(count)]
        else:
            outputs.append(made)
    name = "_".join([op.name for op, _ in kind])
    return run((expand, contract), Function(name, params, tuple(outputs), flat_tree(len(outputs))))


class _Listener:
    """An `Emitter` that emits nothing, and hears which functions are called."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def spoken(*operands: Any) -> tuple[str, str]:
            self.heard.add(name)
            return "", ""

        return spoken


def _is_call(op: Op, attrs: Attrs, arity: int) -> bool:
    """Whether the elementwise `op` comes down to libm's functions of numbers, and no others."""
    if not op.elementwise or not (op.emit or op.expand):
        return False
    listener = _Listener()
    try:
        body = _body(((op, attrs),), arity)
    except ShapeError:  # of other than floating-point operands
        return False
    for value in body.live():
        if value.op.emit is not None and value.args:
            value.op.emit(listener, *value.args, **dict(value.attrs))
    return not {"libm", "sincos"}.isdisjoint(listener.heard) and "special" not in listener.heard
