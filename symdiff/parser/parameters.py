"""The parameters of a program: what its head and `args` declare, and the types they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symdiff.errors import ParseError
from symdiff.ir import F64, Type
from symdiff.parser.declared import DeclaredType, SymbolicType, bind
from symdiff.parser.lexer import near, normalized
from symdiff.parser.program import Program


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters that are known before a formula is read.

    Attributes:
        types: those with a type, in order.
        symbols: the numbers that symbols for extents stand for.
        open: those whose types have symbols without a number.
    """

    types: dict[str, Type]
    symbols: dict[str, int]
    open: dict[str, DeclaredType]


def declare(
    program: Program, args: Mapping[str, DeclaredType] | None
) -> dict[str, DeclaredType] | None:
    """The types of the parameters as declared, in order; None if only the formula names them.

    Raises:
        ParseError: `args` names what the `def` does not have, or does not fit its types; a
            parameter is called as a symbol is.
    """
    given = {normalized(name): type for name, type in (args or {}).items()}
    if program.parameters is None:
        declared = None if args is None else given
    else:
        declared = _merged(program, given)
    for name, type in (declared or {}).items():
        for symbol in type.symbols if isinstance(type, SymbolicType) else ():
            if symbol in (declared or {}):
                reason = f"{symbol} is a parameter, and an extent in the type of {name[:40]}"
                hint = "give the extent another name, or leave the parameter out"
                raise ParseError(reason, program.source, _place(program, name), hint)
    return declared


def _merged(program: Program, given: Mapping[str, DeclaredType]) -> dict[str, DeclaredType]:
    """The types in the head of a `def`, where `given` has none that stands for them."""
    head = {p.name: p.type for p in program.parameters or ()}
    for name in given.keys() - head.keys():
        raise ParseError(
            f"`def {program.name}` has no parameter {name[:40]!r}",
            program.source,
            hint=near(name, head) or "name the parameters as the `def` does",
        )
    order = given if given.keys() == head.keys() else head
    types: dict[str, DeclaredType] = {}
    for name in order:
        written, other = head[name], given.get(name)
        if isinstance(written, SymbolicType) or (written and written.shape):
            # A concrete type binds the symbols; `resolve` compares them.
            types[name] = written
        else:
            types[name] = other or written or F64
    return types


def resolve(
    declared: Mapping[str, DeclaredType] | None, shapes: Mapping[str, Type]
) -> Parameters | None:
    """The parameters with the types that `shapes` and what is declared give them.

    Raises:
        ShapeError: `shapes` does not fit what is declared.
    """
    if declared is None:
        return None
    types, symbols = bind(declared, {normalized(n): t for n, t in shapes.items()})
    ordered = {name: types[name] for name in declared if name in types}
    return Parameters(ordered, symbols, {n: t for n, t in declared.items() if n not in types})


def _place(program: Program, name: str) -> int:
    return next((p.start for p in program.parameters or () if p.name == name), 0)
