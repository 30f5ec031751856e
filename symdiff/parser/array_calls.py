"""Calls of array functions, `norm(x, axis=0)` or `einsum("ij,j->i", W, x)`.

Arguments that are arrays are values; all others (axes, shapes, subscripts) are constants. Within a
sum over indices the functions see one element of the loops, as everything in its term does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, Signature, signature
from itertools import count
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.ir import PARAM, Graph, Type, Value, copy_into, i64, live
from symdiff.ops import arrays
from symdiff.ops.arrays import ARRAY_FUNCTIONS
from symdiff.parser.affine import Affine, Index, by_level
from symdiff.parser.context import DECLARE, Context
from symdiff.parser.grammar import Node
from symdiff.parser.indexed import Indexed, Part, along, axes_of, core_of, value_of
from symdiff.parser.items import NONE, Item, Keyword, Several, Text
from symdiff.parser.subscripts import whole_number

# Those that text writes in another way, or cannot write.
_LEFT_OUT: Final = {"add_at", "put", "where", "clip", "take_along_axis"}
CALLABLE: Final = {n: f for n, f in ARRAY_FUNCTIONS.items() if n not in _LEFT_OUT}
SHAPES: Final = frozenset({"len", "shape", "size", "ndim"})


def call_array(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """What the array function that `node` calls makes of its operands.

    Raises:
        ParseError: arguments that the function does not take.
        ShapeError: operands that do not fit.
    """
    build = CALLABLE[node.text]
    positional: list[Any] = []
    named: dict[str, Any] = {}
    parts: list[tuple[Part, Node]] = []
    for position, (item, child) in enumerate(zip(operands, node.children, strict=True)):
        key: int | str = position
        if isinstance(item, Keyword):
            key, item, child = item.name, item.item, child.children[0]
            if key in named:
                raise b.fail(f"{key[:40]} is given twice", child, "write each argument once")
        elif named:
            hint = "write arguments with names last"
            raise b.fail("an argument without a name after one with a name", child, hint)
        argument = _argument(b, node, key, item, child, parts)
        if isinstance(key, str):
            named[key] = argument
        else:
            positional.append(argument)
    try:
        _signature(node.text).bind(*positional, **named)
    except TypeError as error:
        hint = f"write {node.text}{_form(node.text)}"
        raise b.fail(f"{node.text}: {error}", node, hint) from None
    if parts and all(not core_of(part) for part, _ in parts) and _needs_arrays(node.text):
        written = parts[0][1]
        name = f"`{written.text}`" if written.kind == "name" else "this"
        raise b.fail(f"{node.text} takes an array, {name} is a number", written, DECLARE)

    def apply(values: Sequence[Value]) -> Any:
        filled = [_filled(a, values) for a in positional]
        return build(*filled, **{name: _filled(a, values) for name, a in named.items()})

    try:
        result = _mapped(b, [part for part, _ in parts], apply)
    except (TypeError, ArgumentError) as error:
        hint = f"write {node.text}{_form(node.text)}"
        raise b.fail(f"{node.text}: {error}", node, hint) from None
    except UnsupportedError as error:
        raise b.fail(str(error), node, "use another function") from None
    return result if isinstance(result, (Value, Indexed)) else Several(tuple(result), node)


class _Slot:
    """The place of a value among the arguments."""

    def __init__(self, position: int) -> None:
        self.position = position


def _filled(argument: Any, values: Sequence[Value]) -> Any:
    if isinstance(argument, _Slot):
        return values[argument.position]
    if isinstance(argument, list):
        return [_filled(a, values) for a in cast("list[Any]", argument)]
    return argument


def _argument(
    b: Context, node: Node, key: int | str, item: Item, child: Node, parts: list[tuple[Part, Node]]
) -> Any:
    """An argument as the function takes it, its arrays replaced by slots for `parts`."""

    def slot(item: Item, child: Node) -> _Slot:
        parts.append((_indices(b, item, child) if indices else b.part(item, child), child))
        return _Slot(len(parts) - 1)

    kind = _kind(node.text, key)
    parameter = _parameter(node.text, key)
    indices = parameter is not None and parameter.name == "indices"
    if node.text == "einsum":
        kind = "static" if isinstance(item, Text) else "array"
    if kind == "arrays" and isinstance(item, Several):
        return [slot(i, c) for i, c in zip(item.items, item.nodes, strict=True)]
    if kind == "arrays":
        part = b.part(item, child)
        if not core_of(part):
            raise b.fail(f"{node.text} takes several arrays", child, f"write {node.text}([x, y])")
        return slot(part, child)
    return slot(item, child) if kind == "array" else _static(b, node, item, child)


def _static(b: Context, node: Node, item: Item, child: Node) -> Any:
    """A constant argument: a number, a text, None, or several numbers."""
    if isinstance(item, Text):
        return item.text
    if item is NONE:
        return None
    if isinstance(item, Several):
        pairs = zip(item.items, item.nodes, strict=True)
        return tuple([_row(b, node, i, c) for i, c in pairs])
    number = whole_number(b, item, child)
    if number is not None and not number.terms:
        return number.offset
    constant = b.constants.get(item) if isinstance(item, Value) else None
    if constant is not None and not constant.shape:
        return constant.item()
    hint = "write a constant: a whole number, a symbol of a shape, or (0, 1)"
    raise b.fail(f"this argument of {node.text} has to be a constant", child, hint)


def _indices(b: Context, item: Item, child: Node) -> Part:
    """Places in an array; whole numbers that are written out are integers."""
    number = whole_number(b, item, child)
    written: Any = None if number is None or number.terms else number.offset
    if isinstance(item, Several) and item.is_list and item.depth:
        written = b.constant_list(item)
    if written is None or np.asarray(written).dtype.kind != "i":
        return b.part(item, child)
    return b.graph.const(written, Type(i64, np.shape(written)))


def _row(b: Context, node: Node, item: Item, child: Node) -> Any:
    """An element of a constant argument, which may be a pair of numbers."""
    if not isinstance(item, Several):
        return _static(b, node, item, child)
    hint = "write numbers, or pairs of numbers"
    if any(isinstance(i, Several) for i in item.items):
        raise b.fail(f"this argument of {node.text} is nested too deep", child, hint)
    return tuple([_static(b, node, i, c) for i, c in zip(item.items, item.nodes, strict=True)])


@cache
def _signature(name: str) -> Signature:
    return signature(CALLABLE[name])


def _form(name: str) -> str:
    """The parameters of a function, as an example of a call."""
    parts: list[str] = []
    for p in _signature(name).parameters.values():
        default = "" if p.default is Parameter.empty else f"={p.default}"
        parts.append(f"{'*' if p.kind is Parameter.VAR_POSITIONAL else ''}{p.name}{default}")
    return f"({', '.join(parts)})"


def _parameter(name: str, key: int | str) -> Parameter | None:
    parameters = _signature(name).parameters
    if isinstance(key, str):
        return parameters.get(key)
    listed = list(parameters.values())
    if key >= len(listed):
        return listed[-1] if listed and listed[-1].kind is Parameter.VAR_POSITIONAL else None
    return listed[key]


def _kind(name: str, key: int | str) -> str:
    """What an argument is by its annotation: an `array`, several `arrays`, or `static`."""
    parameter = _parameter(name, key)
    annotation = str(parameter.annotation) if parameter else ""
    if not any(word in annotation for word in ("Value", "Operand")):
        return "static"
    return "arrays" if "Sequence" in annotation else "array"


def _needs_arrays(name: str) -> bool:
    """Whether a function of numbers alone is likely a mistake."""
    return name not in ("astype", "stack", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to")


# Within loops: one axis for each index is put in front of every operation.


def _mapped(
    b: Context, parts: Sequence[Part], apply: Callable[[Sequence[Value]], Any]
) -> Part | list[Part]:
    """`apply` to the elements that the parts are for each choice of their indices."""
    axes = by_level(index for part in parts for index in axes_of(part))
    if not axes:
        result = apply([value_of(part) for part in parts])
        return result if isinstance(result, Value) else [*cast("Sequence[Value]", result)]
    graph = Graph()
    graph.location = b.graph.location
    params = [
        graph.param(f"x{i}", Type(value_of(p).type.dtype, core_of(p))) for i, p in enumerate(parts)
    ]
    result = apply(params)
    single = isinstance(result, Value)
    outputs = [result] if isinstance(result, Value) else [*cast("Sequence[Value]", result)]
    moved: list[tuple[Index, ...]] = [()] * len(outputs)
    for index in reversed(axes):  # each new axis goes in front of those before it
        along_index = [index in axes_of(part) for part in parts]
        params, outputs, has = _batched(params, outputs, along_index, index.extent)
        moved = [(index, *m) if h else m for m, h in zip(moved, has, strict=True)]
    inlined = copy_into(
        b.graph, outputs, dict(zip(params, [value_of(p) for p in parts], strict=True))
    )
    made = [along(v, m) for v, m in zip(inlined, moved, strict=True)]
    return made[0] if single else made


def _batched(
    params: Sequence[Value], outputs: Sequence[Value], batched: Sequence[bool], size: int
) -> tuple[list[Value], list[Value], list[bool]]:
    """The same function in a new graph with a first axis where `batched` says so.

    Also returns which of the outputs have the axis.
    """
    graph = Graph()
    known: dict[Value, tuple[Value, bool]] = {}
    names = count()
    for param, has in zip(params, batched, strict=True):
        shape = (size, *param.type.shape) if has else param.type.shape
        known[param] = graph.param(f"x{next(names)}", param.type.with_shape(shape)), has
    for value in live(outputs):
        if value.op is PARAM:
            continue
        graph.location = value.location
        args = tuple([known[a][0] for a in value.args])
        flags = tuple([known[a][1] for a in value.args])
        if not any(flags):
            known[value] = graph.add(value.op, args, value.attrs), False
        elif value.op.elementwise:
            whole = [
                a if has else arrays.broadcast_to(a, (size, *a.type.shape))
                for a, has in zip(args, flags, strict=True)
            ]
            known[value] = graph.add(value.op, tuple(whole), value.attrs), True
        elif value.op.batch is None:
            raise UnsupportedError(f"{value.op.name} within a sum over an index")
        else:
            known[value] = value.op.batch(args, flags, size, **dict(value.attrs)), True
    made = [known[output] for output in outputs]
    return [known[p][0] for p in params], [v for v, _ in made], [has for _, has in made]


# Shapes.


def shape_call(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`len`, `shape`, `size` or `ndim` of an array, which are whole numbers."""
    if len(operands) != 1:
        reason = f"{node.text} takes 1 argument, not {len(operands)}"
        raise b.fail(reason, node, f"write {node.text}(x)")
    (item,) = operands
    if isinstance(item, Several) and node.text == "len":
        return Affine(len(item.items))
    core = core_of(b.part(item, node.children[0]))
    if not core and node.text != "ndim":
        written = node.children[0]
        name = f"`{written.text}`" if written.kind == "name" else "this"
        raise b.fail(f"{node.text} takes an array, {name} is a number", written, DECLARE)
    if node.text == "shape":
        return Several(tuple(Affine(n) for n in core), node)
    size = 1
    for n in core:
        size *= n
    return Affine({"len": core[0] if core else 0, "size": size, "ndim": len(core)}[node.text])


def multiply_matrices(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`x @ y`."""
    parts = [b.part(o, c) for o, c in zip(operands, node.children, strict=True)]
    for part, child in zip(parts, node.children, strict=True):
        if not core_of(part):
            name = f"`{child.text}`" if child.kind == "name" else "this"
            hint = f"write * for a product with a number; to {DECLARE}"
            raise b.fail(f"`@` takes arrays, {name} is a number", child, hint)
    return _one(_mapped(b, parts, lambda values: arrays.matmul(*values)))


def transpose(b: Context, node: Node, operands: Sequence[Item]) -> Item:
    """`x.T`, the array with its axes reversed."""
    part = b.part(operands[0], node.children[0])
    if not core_of(part):
        raise b.fail("`.T` takes an array, this is a number", node, DECLARE)
    return _one(_mapped(b, [part], lambda values: arrays.transpose(values[0])))


def _one(result: Part | list[Part]) -> Part:
    assert not isinstance(result, list)  # the function has one result
    return result


def is_array(item: Item) -> bool:
    """Whether `item` is an array rather than a number."""
    if isinstance(item, (Value, Indexed)):
        return bool(core_of(item))
    return isinstance(item, Several) and item.is_list
