"""Operations on arrays as formulas have them, in text, which follows NumPy, and in LaTeX.

Broadcasting is silent where an operation on elements does it anyway, and what reduces or selects
along axes swallows the reshape that drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from symdiff.codegen.source import ATOM, PRODUCT
from symdiff.errors import UnsupportedError
from symdiff.ir import Op, Value
from symdiff.ops import (
    argmax,
    argmin,
    broadcast,
    concatenate,
    contract,
    cumsum,
    embed,
    gather,
    reduce_max,
    reduce_min,
    reduce_sum,
    reshape,
    slice_,
    transpose,
)

_T: Final = r"^{{\mathsf{{T}}}}"
_RAISED: Final = ATOM - 1  # what has an exponent, and so takes no second one
_REDUCTIONS: Final = {
    reduce_sum: ("sum", r"\sum"),
    reduce_max: ("max", r"\max"),
    reduce_min: ("min", r"\min"),
}


class Form(NamedTuple):
    """How one operation is written: `ir.Notation`, for one style."""

    template: str
    precedence: int
    operands: Sequence[int]


class Forms(NamedTuple):
    """The form in text and that in LaTeX."""

    text: Form
    latex: Form


def sources(value: Value) -> tuple[Value, ...]:
    """The values that are printed as the operands of `value`."""
    listed = entries(value)
    if listed is not None:
        return tuple(listed)
    if value.op is reshape and _dropped(value) is not None:
        return value.args[0].args
    if not value.op.elementwise or not getattr(value.type, "shape", ()):
        return value.args
    bare = tuple(map(_before_broadcast, value.args))
    shapes = [() if is_filled(v) else v.type.shape for v in bare]
    return bare if np.broadcast_shapes(*shapes) == value.type.shape else value.args


def entries(value: Value) -> list[Value] | None:
    """The numbers that a vector or a matrix was put together from, one by one, in order."""
    whole = value.args[0] if value.op is reshape and len(value.type.shape) == 2 else value
    if whole.op is not concatenate or any(a.type.shape != (1,) for a in whole.args):
        return None
    parts = [a.args[0] if a.op is reshape and not a.args[0].type.shape else a for a in whole.args]
    return parts if all(is_filled(p) or not p.type.shape for p in parts) else None


def _before_broadcast(value: Value) -> Value:
    while value.op is broadcast:
        (value,) = value.args
    return value


def is_filled(value: Value) -> bool:
    """Whether `value` is a constant that is one number, however often."""
    return value.literal is not None and value.literal.scalar is not None


def forms(value: Value) -> Forms:
    """How the operation of `value` is written on its `sources`.

    Raises:
        UnsupportedError: there is no notation for it.
    """
    if entries(value) is not None:
        return _matrix(value)
    rule = _RULES.get(value.op.name)
    found = rule(value) if rule else None
    if found is None:
        raise UnsupportedError(f"formulas have no notation for {value.op.name}, type {value.type}")
    return found


def says_shape(value: Value) -> bool:
    """Whether the form of `value` or another operand tells how often a number is repeated."""
    filled = all(map(is_filled, sources(value)))
    return entries(value) is not None or (value.op.elementwise and not filled)


def _matrix(value: Value) -> Forms:
    """A vector or a matrix, entry by entry."""
    columns = value.type.shape[1] if len(value.type.shape) == 2 else 1
    row = ["{}"] * columns
    rows = len(value.args[0].args if value.op is reshape else value.args) // columns
    inside = ", ".join(row)
    if len(value.type.shape) == 2:
        inside = f"[{inside}]"
    text = Form(f"[{', '.join([inside] * rows)}]", ATOM, ())
    body = r" \\ ".join([" & ".join(row)] * rows)
    return Forms(text, Form(rf"\begin{{{{bmatrix}}}} {body} \end{{{{bmatrix}}}}", ATOM, ()))


def spread(shape: Sequence[int]) -> Forms:
    """A number or an array repeated to `shape`."""
    return _called("broadcast_to", f"{{}}, {_tuple(shape)}", "broadcast", _times(shape))


def _called(name: str, arguments: str, operator: str, index: str, count: int = 1) -> Forms:
    """`name(arguments)`, in LaTeX an operator with an index on as many operands."""
    slots = ", ".join(["{}"] * count)
    below = f"_{{{{{index}}}}}" if index else ""
    latex = rf"\operatorname{{{{{operator}}}}}{below}\left({slots}\right)"
    return Forms(Form(f"{name}({arguments})", ATOM, ()), Form(latex, ATOM, ()))


def _times(shape: Sequence[int]) -> str:
    return r" \times ".join(map(str, shape)) or "0"


def _tuple(numbers: Sequence[int]) -> str:
    """A shape in text, which NumPy takes as a number where there is one axis."""
    return str(numbers[0]) if len(numbers) == 1 else str(tuple(numbers))


# Reductions, and the reshape after them.


def _gone(source: Sequence[int], kept: Sequence[int]) -> tuple[int, ...]:
    """The axes along which a reduction runs."""
    lead = len(source) - len(kept)
    return (*range(lead), *(lead + i for i, n in enumerate(kept) if n != source[lead + i]))


def _reduction(value: Value) -> Forms:
    source, kept = value.args[0].type.shape, value.type.shape
    axes = _gone(source, kept)
    if len(kept) == len(source):
        return _reduced(value.op, source, axes, keep=True)
    without = _reduced(value.op, source, axes, keep=False)
    if axes == tuple(range(len(source) - len(kept))):
        return without
    text = without.text._replace(template=f"reshape({without.text.template}, {_tuple(kept)})")
    return without._replace(text=text)


def _reduced(op: Op, source: Sequence[int], axes: tuple[int, ...], keep: bool) -> Forms:
    name, sign = _REDUCTIONS[op]
    options = f", axis={axes[0] if len(axes) == 1 else axes}" + ", keepdims=True" * keep
    below = rf"_{{{{\mathrm{{{{axis}}}}\,{','.join(map(str, axes))}}}}}"
    if len(axes) == len(source) and not keep:
        options = below = ""
    text = f"{name}({{}}{options})"
    return Forms(Form(text, ATOM, ()), Form(rf"{sign}{below}\left({{}}\right)", ATOM, ()))


def _dropped(value: Value) -> Forms | None:
    """The form of a reshape that only drops the axes along which its operand is 1 long."""
    (inner,) = value.args
    if not inner.args:
        return None
    source = inner.args[0].type.shape
    if inner.op in _REDUCTIONS and len(source) == len(inner.type.shape):
        axes = _gone(source, inner.type.shape)
        left = tuple(n for axis, n in enumerate(source) if axis not in axes)
        return _reduced(inner.op, source, axes, keep=False) if left == value.type.shape else None
    if inner.op is slice_:
        left = tuple(n for n in inner.type.shape if n != 1)
        return _sliced(inner, drop=True) if left == value.type.shape else None
    return None


def _reshape(value: Value) -> Forms:
    found = _dropped(value)
    if found is not None:
        return found
    shape = value.type.shape
    whole = _called("reshape", f"{{}}, {_tuple(shape)}", "reshape", _times(shape))
    inserted = _inserted(value.args[0].type.shape, shape)
    if inserted is None:
        return whole
    starred = inserted.replace("None", r"\ast")
    latex = rf"{{}}\left[{starred}\right]"
    return Forms(Form(f"{{}}[{inserted}]", ATOM, (ATOM,)), Form(latex, ATOM, (ATOM,)))


def _inserted(source: Sequence[int], shape: Sequence[int]) -> str | None:
    """The subscript `:, None`, if `shape` is `source` with axes of extent 1 added."""
    places: list[str] = []
    rest = list(source)
    for n in shape:
        if rest and rest[0] == n:
            places.append(":")
            rest.pop(0)
        elif n == 1:
            places.append("None")
        else:
            return None
    return ", ".join(places) if source and not rest else None


# Parts and orders.


def _slice(value: Value) -> Forms:
    return _sliced(value, drop=False)


def _sliced(value: Value, drop: bool) -> Forms:
    """A slice; `drop` the axes of extent 1."""
    ranges = zip(
        value.attr("start"), value.attr("step"), value.type.shape, value.args[0].type.shape,
        strict=True,
    )  # fmt: skip
    places = [
        str(start) if drop and n == 1 else _range(start, step, n, extent)
        for start, step, n, extent in ranges
    ]
    while len(places) > 1 and places[-1] == ":":
        places.pop()
    inside = ", ".join(places)
    text = Form(f"{{}}[{inside}]", ATOM, (ATOM,))
    return Forms(text, Form(rf"{{}}\left[{inside}\right]", ATOM, (ATOM,)))


def _range(start: int, step: int, n: int, extent: int) -> str:
    if n == 0:
        return "0:0"
    stop = start + step * n
    if step > 0:
        first, last = str(start or ""), str(stop) if stop < extent else ""
    else:
        first, last = str(start) if start != extent - 1 else "", str(stop) if stop >= 0 else ""
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


def _gather(value: Value) -> Forms:
    places = [":"] * value.attr("axis") + ["{}"] * (len(value.args) - 1)
    inside, needed = ", ".join(places), (ATOM, *[0] * (len(value.args) - 1))
    text = Form(f"{{}}[{inside}]", ATOM, needed)
    return Forms(text, Form(rf"{{}}\left[{inside}\right]", ATOM, needed))


def _transpose(value: Value) -> Forms:
    axes = value.attr("axes")
    if axes == (1, 0):
        return Forms(Form("{}.T", ATOM, (ATOM,)), Form(f"{{}}{_T}", _RAISED, (ATOM,)))
    return _called("transpose", f"{{}}, {axes}", "transpose", ",".join(map(str, axes)))


def _concatenate(value: Value) -> Forms:
    axis, n = value.attr("axis"), len(value.args)
    text, latex = _called(
        "concatenate", f"[{', '.join(['{}'] * n)}], axis={axis}", "concatenate", str(axis), n
    )
    if axis < 2 and len(value.type.shape) <= 2:
        between = " & " if axis else r" \\ "
        joined = between.join(["{}"] * n)
        latex = Form(rf"\begin{{{{bmatrix}}}} {joined} \end{{{{bmatrix}}}}", ATOM, ())
    return Forms(text, latex)


def _embed(value: Value) -> Forms | None:
    start, step, inner = value.attr("start"), value.attr("step"), value.args[0].type.shape
    if any(s != 1 for s in step):
        return None
    places = zip(start, inner, value.type.shape, strict=True)
    widths = tuple((first, extent - first - n) for first, n, extent in places)
    index = ",".join(f"{before}+{after}" for before, after in widths)
    around = widths[0] if len(widths) == 1 else widths
    return _called("pad", f"{{}}, {around}", "pad", index)


def _iota(value: Value) -> Forms:
    shape, axis = value.type.shape, value.attr("axis")
    text = f"arange({shape[axis]})"
    if len(shape) > 1:
        places = [":" if i == axis else "None" for i in range(len(shape))]
        text = f"broadcast_to({text}[{', '.join(places)}], {_tuple(shape)})"
    latex = rf"\operatorname{{{{index}}}}_{{{{{axis}}}}}\left({_times(shape)}\right)"
    return Forms(Form(text, ATOM, ()), Form(latex, ATOM, ()))


def _cumsum(value: Value) -> Forms:
    axis = value.attr("axis")
    forms = _called("cumsum", f"{{}}, axis={axis}", "cumsum", f"{axis}")
    if not value.attr("reverse"):
        return forms
    text = f"flip(cumsum(flip({{}}, {axis}), axis={axis}), {axis})"
    _, latex = _called("", "{}", "cumsum", rf"{axis},\leftarrow")
    return Forms(Form(text, ATOM, ()), latex)


def _position(value: Value) -> Forms:
    axis = value.attr("axis")
    return _called(value.op.name, f"{{}}, axis={axis}", value.op.name, str(axis))


# Contractions.


def _contract(value: Value) -> Forms:
    spec = value.attr("spec")
    operands, _, result = spec.partition("->")
    left, _, right = operands.partition(",")
    product = matrix_product(left, right, result)
    if product is not None:
        return _product(product)
    if len(left) == len(right) == 1 and len(result) == 2:
        x, y = ("{0}", "{1}") if result == left + right else ("{1}", "{0}")
        latex = Form(rf"{x} \, {y}{_T}", PRODUCT, (ATOM, ATOM))
        return Forms(Form(f"outer({x}, {y})", ATOM, (0, 0)), latex)
    if not result and len(left) == 2 and set(left) == set(right):
        same = left == right
        text = Form("sum({} * {})" if same else "sum({} * {}.T)", ATOM, (PRODUCT, ATOM))
        inside = rf"{{}}{_T} \, {{}}" if same else r"{} \, {}"
        latex = Form(rf"\operatorname{{{{tr}}}}\left({inside}\right)", ATOM, (ATOM, _RAISED))
        return Forms(text, latex)
    index = spec.replace("->", r" \to ")
    return _called("einsum", f'"{spec}", {{}}, {{}}', "einsum", index, 2)


class Product(NamedTuple):
    """x @ y of matrices or vectors, or of stacks of them.

    `places` are those of x and y among the operands; `flipped` tells which are transposed first.
    """

    places: tuple[int, int]
    flipped: tuple[bool, bool]
    ranks: tuple[int, int]


def matrix_product(left: str, right: str, result: str) -> Product | None:
    """The product that a contraction with these labels is, or None."""
    batch = 0
    while left[batch : batch + 1] == right[batch : batch + 1] == result[batch : batch + 1] != "":
        batch += 1
    found: list[Product] = []
    for places, first, second in (((0, 1), left, right), ((1, 0), right, left)):
        x, y, out = first[batch:], second[batch:], result[batch:]
        summed = (set(x) & set(y)) - set(out)
        if len(summed) != 1 or not (0 < len(x) <= 2 and 0 < len(y) <= 2):
            continue
        (k,) = summed
        rows, columns = x.replace(k, ""), y.replace(k, "")
        flipped = (len(x) == 2 and x[0] == k, len(y) == 2 and y[1] == k)
        stacked = batch > 0 and (len(x) < 2 or len(y) < 2 or any(flipped))
        if out == rows + columns and not stacked:
            found.append(Product(places, flipped, (len(x), len(y))))
    return min(found, key=lambda product: sum(product.flipped), default=None)


def _product(product: Product) -> Forms:
    places, flipped, ranks = product
    slots = [f"{{{place}}}" for place in places]
    text = " @ ".join([slot + ".T" * flip for slot, flip in zip(slots, flipped, strict=True)])
    needed = [0, 0]
    for place, least, flip in zip(places, (PRODUCT, PRODUCT + 1), flipped, strict=True):
        needed[place] = ATOM if flip else least
    flips = flipped
    if ranks[0] == 1:  # vectors are columns: x^T y, but A^T x for x @ A
        slots = slots if ranks[1] == 1 else slots[::-1]
        flips = (True, False) if ranks[1] == 1 else (not flipped[1], False)
    latex = r" \, ".join([slot + _T * flip for slot, flip in zip(slots, flips, strict=True)])
    raised = [0, 0]
    for slot, flip in zip(slots, flips, strict=True):
        raised[int(slot[1])] = ATOM if flip else _RAISED
    return Forms(Form(text, PRODUCT, needed), Form(latex, PRODUCT, raised))


_RULES: Final[dict[str, Callable[[Value], Forms | None]]] = {
    **{op.name: _reduction for op in _REDUCTIONS},
    broadcast.name: lambda value: spread(value.type.shape),
    reshape.name: _reshape,
    slice_.name: _slice,
    embed.name: _embed,
    gather.name: _gather,
    transpose.name: _transpose,
    concatenate.name: _concatenate,
    contract.name: _contract,
    cumsum.name: _cumsum,
    argmax.name: _position,
    argmin.name: _position,
    "iota": _iota,
}
