"""The parameters of a source, whether or not their shapes are known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from symdiff.parser.declared import DeclaredType
from symdiff.parser.grammar import Generator, Node
from symdiff.parser.parameters import declare
from symdiff.parser.program import Program, parse_program
from symdiff.parser.sympy import is_sympy
from symdiff.parser.sympy import parameter_names as sympy_names

_CONSTANTS: Final = frozenset({"pi"})


def parameter_names(source: Any, args: Mapping[str, DeclaredType] | None = None) -> list[str]:
    """The names of the parameters of `source` (text, SymPy or a Python function), in order.

    Those of a formula are the names in it, in order of first appearance, if `args` has none.

    Raises:
        ParseError: text that is not a formula.
    """
    if isinstance(source, str):
        program = parse_program(source)
        declared = declare(program, args)
        return list(_free_names(program) if declared is None else declared)
    if is_sympy(source):
        return sympy_names(source)
    return list(inspect.signature(cast("Callable[..., Any]", source)).parameters)


def text_name(source: str) -> str:
    """The name of a `def`; "f" for other texts."""
    return parse_program(source).name or "f"


def _free_names(program: Program) -> dict[str, None]:
    """The names that are used before a statement gives them a value, and are no index."""
    found: dict[str, None] = {}
    assigned = set(_CONSTANTS)
    for statement in program.statements:
        pending: list[tuple[Node, frozenset[str]]] = [(statement.node, frozenset())]
        while pending:
            node, bound = pending.pop()
            if isinstance(node, Generator):
                inside = bound
                parts: list[tuple[Node, frozenset[str]]] = []
                for clause in node.clauses:
                    parts.append((clause.children[0], inside))
                    if clause.kind == "for":
                        inside |= {clause.text}
                pending += reversed([(node.element, inside), *parts])
            elif node.kind == "name":
                if node.text not in assigned and node.text not in bound:
                    found[node.text] = None
            else:
                pending += [(child, bound) for child in reversed(node.children)]
        assigned |= {target.text for target in statement.targets}
    return found
