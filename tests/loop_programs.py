"""Loop programs written by hand, for tests of what is done to them."""

from __future__ import annotations

from typing import Any

from symdiff.codegen.loops.program import ZERO, Affine, Block, For, Nest, Var


def nested(extents: tuple[int, ...], statements: Any) -> Nest:
    """Loops of the given extents around `statements(variables)`."""
    variables = [Var(extent, depth) for depth, extent in enumerate(extents, 1)]
    block = Block(len(extents), statements(*variables))
    for depth, var in reversed(list(enumerate(variables))):
        block = Block(depth, [For(var, (ZERO,), (Affine(var.extent),), block)])
    return Nest(block)


def index(*terms: tuple[Var, int]) -> Affine:
    return Affine(0, terms)
