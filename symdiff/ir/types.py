"""Types of values: a dtype and a shape, or a tuple of such types."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ShapeError


@dataclass(frozen=True, eq=False, slots=True)
class DType:
    """An element type, one object each.

    `kind` is "f" (floating), "i" (signed integer) or "b" (Boolean).
    """

    name: str
    kind: str
    itemsize: int  # bytes

    @property
    def numpy(self) -> np.dtype[np.generic]:
        return _NUMPY[self.name]

    def __str__(self) -> str:
        return self.name


f64: Final = DType("f64", "f", 8)
f32: Final = DType("f32", "f", 4)
i64: Final = DType("i64", "i", 8)
i32: Final = DType("i32", "i", 4)
boolean: Final = DType("bool", "b", 1)

DTYPES: Final = {d.name: d for d in (f64, f32, i64, i32, boolean)}
_NUMPY: Final = {
    "f64": np.dtype("float64"),
    "f32": np.dtype("float32"),
    "i64": np.dtype("int64"),
    "i32": np.dtype("int32"),
    "bool": np.dtype("bool"),
}
_ADDRESSES: Final = 1 << 63  # bytes: offsets are signed
_ALIASES: Final = {numpy.name: DTYPES[name] for name, numpy in _NUMPY.items()}


def dtype_named(name: object) -> DType:
    """The DType called `name`: symdiff's own name, NumPy's, or a NumPy dtype object.

    Raises:
        ShapeError: no such element type, or one that symdiff does not have.
    """
    if isinstance(name, DType):
        return name
    if isinstance(name, str) and name in DTYPES:
        return DTYPES[name]
    try:
        return _ALIASES[np.dtype(cast("Any", name)).name]
    except (TypeError, KeyError, ValueError, SyntaxError):
        known = ", ".join(DTYPES)
        raise ShapeError(f"unknown dtype {name!r}; symdiff has {known}") from None


@dataclass(frozen=True, slots=True)
class Type:
    """A tensor type: `f64[3,4]`, or a scalar when the shape is empty: `f64`.

    Raises:
        ShapeError: more elements than there are addresses for.
    """

    dtype: DType
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.shape and prod(self.shape) * self.dtype.itemsize >= _ADDRESSES:
            raise ShapeError(f"{self}: no memory can hold an array of {prod(self.shape)} elements")

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def with_dtype(self, dtype: DType) -> Type:
        return Type(dtype, self.shape) if self.shape else SCALARS[dtype]

    def with_shape(self, shape: tuple[int, ...]) -> Type:
        return Type(self.dtype, shape) if shape else SCALARS[self.dtype]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]" if self.shape else str(self.dtype)


@dataclass(frozen=True, slots=True)
class TupleType:
    """The type of an operation with several results; `item` takes them apart."""

    elements: tuple[Type, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.elements))})"


F64: Final = Type(f64)
F32: Final = Type(f32)
BOOL: Final = Type(boolean)
SCALARS: Final = {d: Type(d) for d in DTYPES.values()} | {f64: F64, f32: F32, boolean: BOOL}
"""The type of single elements of each dtype. There may be others, equal to these."""


def parse_type(text: str) -> Type:
    """The Type written as `f64`, `float32` or `f64[3,4]`.

    Raises:
        ShapeError: the text is not a type.
    """
    name, bracket, rest = text.strip().partition("[")
    dtype = dtype_named(name.strip())
    if not bracket:
        return SCALARS[dtype]
    extents = rest.rstrip().removesuffix("]").split(",")
    if not rest.rstrip().endswith("]") or not all(e.strip().isdigit() for e in extents):
        raise ShapeError(f"cannot read the type {text!r}; write it as f64 or f64[3,4]")
    return Type(dtype, tuple(int(e) for e in extents))
