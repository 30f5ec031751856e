"""Declared types of parameters, whose extents may be symbols: `f64[m,n]`.

A symbol stands for the extents of all axes that are declared with it. It gets its number from the
shapes that are given, and is a whole number in the formula.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from symdiff.errors import ShapeError
from symdiff.ir import DType, Type, parse_type


@dataclass(frozen=True, slots=True)
class SymbolicType:
    """A tensor type of which some extents are symbols."""

    dtype: DType
    shape: tuple[int | str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, each as often as it stands there."""
        return tuple(n for n in self.shape if isinstance(n, str))

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


DeclaredType = Type | SymbolicType

_EXTENT: Final = re.compile(r"\s*(?:(\d+)|([^\W\d]\w*))\s*")


def read_type(text: str) -> DeclaredType:
    """The type written as `f64`, `f64[3,4]`, or with symbols as `f64[m,n]`.

    Raises:
        ShapeError: the text is not a type.
    """
    name, bracket, rest = text.strip().partition("[")
    found = [_EXTENT.fullmatch(part) for part in rest.removesuffix("]").split(",")]
    extents = [int(m[1]) if m[1] else m[2] for m in found if m]
    symbolic = any(isinstance(n, str) for n in extents)
    if not (bracket and rest.endswith("]") and symbolic and len(extents) == len(found)):
        return parse_type(text)
    return SymbolicType(parse_type(name).dtype, tuple(extents))


def bind(
    declared: Mapping[str, DeclaredType], given: Mapping[str, Type]
) -> tuple[dict[str, Type], dict[str, int]]:
    """The types of the parameters, and the numbers of the symbols in them.

    A type in `given` stands for the one that is declared, whose extents it has to fit.

    Raises:
        ShapeError: extents that differ from the declared ones, or from one another where one
            symbol stands for them.
    """
    numbers: dict[str, int] = {}
    sources: dict[str, str] = {}
    types: dict[str, Type] = {}
    for name, type in declared.items():
        concrete = given.get(name)
        if concrete is None:
            if isinstance(type, Type):
                types[name] = type
            continue
        types[name] = concrete
        if len(concrete.shape) != len(type.shape):
            raise ShapeError(f"{_shown(name)} is declared {type}, got {concrete}")
        for axis, (wanted, extent) in enumerate(zip(type.shape, concrete.shape, strict=True)):
            if isinstance(wanted, str):
                if numbers.setdefault(wanted, extent) != extent:
                    raise ShapeError(
                        f"{wanted} is {numbers[wanted]} in {sources[wanted]}, "
                        f"but {extent} in {_shown(name)}: {type}, axis {axis}"
                    )
                sources.setdefault(wanted, f"{_shown(name)}: {type}")
            elif wanted != extent:
                raise ShapeError(f"{_shown(name)} is declared {type}, got {concrete}")
    for name, type in declared.items():
        if name not in types and all(n in numbers for n in type.shape if isinstance(n, str)):
            extents = tuple(numbers[n] if isinstance(n, str) else n for n in type.shape)
            types[name] = Type(type.dtype, extents)
    return types, numbers


def _shown(name: str) -> str:
    return name[:40]
