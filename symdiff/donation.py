"""Which results take the memory of donated parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff import ir
from symdiff.errors import ArgumentError

_SHOWN = 6  # parts of a result in a message


def matched(
    fn: ir.Function, arguments: Sequence[tuple[str, ir.Tree]], donated: Sequence[str]
) -> tuple[tuple[int, int], ...]:
    """Positions of outputs of `fn`, and of the parameters whose new values they are.

    `arguments` are the parameters as users give them, `donated` the names of those that are given
    up. Each takes the first part of the result that no other one has taken and that has its
    structure, and the types of its leaves; where only one is donated, that may be the whole
    result. The keys of dicts may come in another order.

    Raises:
        ArgumentError: there is no such part.
    """
    types = {p.attr("name"): p.type for p in fn.params}
    position = {name: i for i, name in enumerate(types)}
    called = [leaf.name for leaf in ir.leaves(fn.result)]
    outputs = {name: i for i, name in enumerate(called)}
    types_out = dict(zip(called, (o.type for o in fn.outputs), strict=True))
    parts: list[ir.Tree] = [] if isinstance(fn.result, ir.Leaf) else list(fn.result.children)
    if len(donated) == 1:
        parts.insert(0, fn.result)
    found: list[tuple[int, int]] = []
    for name, tree in arguments:
        if name not in donated:
            continue
        for at, part in enumerate(parts):
            pairs = _pairs(tree, part)
            if pairs is not None and all(types[p] == types_out[o] for p, o in pairs):
                found += [(outputs[o], position[p]) for p, o in pairs]
                del parts[at]
                break
        else:
            hint = "; return a tuple, with a part for each" if not parts else ""
            raise ArgumentError(
                f"{fn.name}: {name} is donated, but no part of the result that is left has its "
                f"structure and types: {name} is {_shown(tree, types)}, left "
                + (", ".join(_shown(part, types_out) for part in parts[:_SHOWN]) or "is nothing")
                + hint
            )
    return tuple(sorted(found))


def _pairs(param: ir.Tree, result: ir.Tree) -> list[tuple[str, str]] | None:
    """The leaves of two structures side by side; None where these differ."""
    if isinstance(param, ir.Leaf) or isinstance(result, ir.Leaf):
        if isinstance(param, ir.Leaf) and isinstance(result, ir.Leaf):
            return [(param.name, result.name)]
        return None
    if (param.kind, param.label, len(param.children)) != (
        result.kind,
        result.label,
        len(result.children),
    ):
        return None
    children = result.children
    if param.fields != result.fields:
        if param.kind != "dict" or set(param.fields or ()) != set(result.fields or ()):
            return None
        named = dict(zip(result.fields or (), children, strict=True))
        children = tuple([named[field] for field in param.fields or ()])
    found: list[tuple[str, str]] = []
    for one, other in zip(param.children, children, strict=True):
        below = _pairs(one, other)
        if below is None:
            return None
        found += below
    return found


def _shown(tree: ir.Tree, types: Mapping[str, ir.Type]) -> str:
    """A structure with the types of its leaves."""
    if isinstance(tree, ir.Leaf):
        return str(types[tree.name])
    children = [_shown(child, types) for child in tree.children[:_SHOWN]]
    if tree.fields is not None:
        children = [f"{n}: {c}" for n, c in zip(tree.fields, children, strict=False)]
    more = ", ..." if len(tree.children) > _SHOWN else ""
    open_, close = {"list": "[]", "dict": "{}"}.get(tree.kind, "()")
    return f"{tree.label if tree.kind == 'tuple' else ''}{open_}{', '.join(children)}{more}{close}"
