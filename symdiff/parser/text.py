"""The front end for text: a formula or a small program to a Function, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping

from symdiff.errors import NeedsShapes
from symdiff.ir import Function, Type
from symdiff.parser.build import build_function
from symdiff.parser.declared import DeclaredType, SymbolicType, read_type
from symdiff.parser.gates import Gate
from symdiff.parser.parameters import declare, resolve
from symdiff.parser.program import parse_program

__all__ = ["DeclaredType", "SymbolicType", "declared_types", "parse_text", "read_type"]


def parse_text(
    source: str,
    args: Mapping[str, DeclaredType] | None = None,
    name: str = "f",
    shapes: Mapping[str, Type] | None = None,
    gates: Mapping[str, Gate] | None = None,
) -> Function:
    """The Function that `source` (an expression, a program or a `def`) describes.

    `args` fixes the order and the types of the parameters, used or not; without it they are
    scalars in order of first appearance, or those of the `def`. `name` is what the Function is
    called if the text does not say. Several results, `a, b`, become a tuple of leaves
    `value_0`, `value_1`, ... Nesting and length are limited by memory alone; time is linear.

    A declared type may have symbols for extents, `f64[m,n]`. What they stand for is in `shapes`:
    the types of those parameters, as the arguments of a call have them. `args` may give the types
    of the parameters of a `def` to the same effect. `gates` are functions that the text may call
    besides the known ones, and rather than these where they have the same name.

    Raises:
        ParseError: the text is not a formula; says where and what to write instead. It is a
            ShapeError too where shapes do not fit an operation.
        NeedsShapes: a parameter has symbols for extents that nothing tells the numbers of.
        ShapeError: `shapes` does not fit the declared types.
    """
    program = parse_program(source)
    known = {n: t for n, t in (args or {}).items() if isinstance(t, Type)} | dict(shapes or {})
    parameters = resolve(declare(program, args), known)
    if parameters is not None and parameters.open:
        types = ", ".join(f"{n}: {t}" for n, t in parameters.open.items())
        raise NeedsShapes(
            f"{program.name or name} has parameters of symbolic shape, {types}; call it with "
            'arrays, or give their types: args={"x": "f64[3]"}'
        )
    return build_function(program, parameters, name, gates)


def declared_types(
    source: str, args: Mapping[str, DeclaredType] | None = None
) -> dict[str, DeclaredType] | None:
    """The parameters in order with the types that `args` or a `def` declares.

    None for a formula alone, whose parameters are the names in it, all of them scalars. If one
    of the types is a SymbolicType, `parse_text` needs `shapes` for it.

    Raises:
        ParseError: the text is not a formula.
    """
    return declare(parse_program(source), args)
