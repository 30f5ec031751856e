"""Which loops are shared: roots put into trees of loops.

A root is a value (or a part of one) with memory, computed by loops of its own. It joins the loops
of a root that it reads if, in every loop they share, it reads what the same iteration wrote.
Independent roots over the same elements join too. What is written and read within one iteration
needs no memory for the axes of the shared loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Final

from symdiff.codegen.loops.program import Affine, Buffer, Var
from symdiff.codegen.loops.shapes import Place
from symdiff.ir import Value

NEAR: Final = 4  # loops whose extents differ by so little are shared, and their ends peeled off
_LONG: Final = 64
_TINY: Final = 512  # iterations up to which steps are put into one function
_LOOKBACK: Final = 16
_MOST: Final = 1500  # operations in one function: LLVM's time grows faster than their number


@dataclass(eq=False, slots=True)
class Root:
    """Something to compute and store.

    Attributes:
        value: what it belongs to.
        source: whose elements are computed; the operand of a reduction.
        kind: "map", "reduce", "position" (argmax), "running" (cumsum), "scatter" or "check".
        loops: extents, from the outside.
        axes: the axis of `value` that each loop runs along, or None where it is reduced.
        buffer: where the result goes.
        start, step: where the elements go in the buffer, if not to the same place (a part of a
            concatenation, an embedding).
        extent, status: of a check: the indices that are right, and what to report otherwise.
        whole: readers of the value need all of it, not the same element.
        work: how many operations one element takes.
        order: the axis of `source` that each loop runs along, where it is not the next one.
        reads: the stored values that it reads, and where, in terms of `vars`.
    """

    value: Value
    source: Value
    kind: str
    loops: tuple[int, ...]
    axes: tuple[int | None, ...]
    buffer: Buffer | None = None
    start: tuple[int, ...] = ()
    step: tuple[int, ...] = ()
    whole: bool = False
    extent: int = 0
    status: int = 0
    work: int = 0
    vars: tuple[Var, ...] = ()
    order: tuple[int, ...] = ()
    reads: dict[Value, list[Place | None]] = field(
        default_factory=dict[Value, "list[Place | None]"]
    )
    path: list[Loop] = field(default_factory=list["Loop"])

    def along(self, place: Place) -> Place:
        """The element of `source` for the iteration `place`."""
        if not self.order:
            return place
        return tuple(place[self.order.index(axis)] for axis in range(len(place)))

    @property
    def reduced(self) -> int | None:
        """The outermost loop that is reduced."""
        if self.kind not in ("reduce", "position", "check"):
            return None
        return next((i for i, a in enumerate(self.axes) if a is None), None)


@dataclass(eq=False, slots=True)
class Loop:
    """A loop that roots share."""

    extent: int
    children: list[Loop | Root] = field(default_factory=list["Loop | Root"])
    unrolled: bool = False

    def roots(self) -> Iterator[Root]:
        pending: list[Loop | Root] = [self]
        while pending:
            child = pending.pop()
            if isinstance(child, Root):
                yield child
            else:
                pending += reversed(child.children)


class Tree(Loop):
    """Loops and single roots one after the other: what becomes one function."""

    def __init__(self) -> None:
        super().__init__(1)
        self.work = 0
        self.iterations = 0


def join(root: Root, tree: Tree, joined: bool) -> bool:
    """Put `root` into the loops of `tree`, if that is right and useful; else leave both alone.

    `joined` says that the tree has what the root reads.
    """
    if tree.work + root.work > _MOST:
        return False
    path = _shared(root, tree)
    if joined and (path or not root.loops):
        useful = True
    elif path and len(path) == len(root.loops):
        useful = _same_data(root, path[-1])
    else:
        useful = tree.iterations + prod(root.loops) <= _TINY
    if useful:
        add(root, tree, path)
    return useful


def add(root: Root, tree: Tree, path: list[Loop]) -> None:
    """Put `root` at the end of the last loop of `path`, in loops of its own for the rest."""
    at: Loop = path[-1] if path else tree
    tree.work += root.work
    tree.iterations += prod(root.loops)
    root.path = list(path)
    for loop, extent in zip(path, root.loops, strict=False):
        loop.extent = max(loop.extent, extent)
    for extent in root.loops[len(path) :]:
        inner = Loop(extent)
        at.children.append(inner)
        root.path.append(inner)
        at = inner
    at.children.append(root)


def _shared(root: Root, tree: Tree) -> list[Loop]:
    """The longest path of loops in `tree` that `root` can share."""
    path: list[Loop] = []
    at: Loop = tree
    while len(path) < len(root.loops):
        found = None
        for child in reversed(at.children):
            if isinstance(child, Loop) and _fits(root, child, len(path)):
                found = child
                break
            if any(r.value in root.reads for r in _roots(child)):
                break
        if found is None:
            return path
        path.append(found)
        at = found
    return path


def _roots(child: Loop | Root) -> Iterator[Root]:
    return iter((child,)) if isinstance(child, Root) else child.roots()


def _fits(root: Root, loop: Loop, level: int) -> bool:
    """Whether the loop of `root` at `level` can be `loop`."""
    extent = root.loops[level]
    if extent != loop.extent:
        if abs(extent - loop.extent) > NEAR or min(extent, loop.extent) < _LONG:
            return False
        flat = len(root.loops) == 1 and all(len(r.loops) == 1 for r in loop.roots())
        # All of them, not just the longest: one after the other they might drift apart.
        if not flat or any(abs(extent - r.loops[level]) > NEAR for r in loop.roots()):
            return False
    same = Affine(0, ((root.vars[level], 1),))
    for other in loop.roots():
        for place in root.reads.get(other.value, ()):
            axis = other.axes[level]
            if other.whole or place is None or axis is None or place[axis] != same:
                return False
    return True


def _same_data(root: Root, loop: Loop) -> bool:
    """Whether a root in the innermost `loop` reads something that `root` reads too."""
    return any(
        isinstance(child, Root) and not root.reads.keys().isdisjoint(child.reads)
        for child in loop.children
    )


def arrange(
    items: list[Tree | Value],
    root: Root,
    position: dict[Value, int],
    barrier: int,
    suits: Callable[[Tree], bool],
) -> None:
    """Put `root` into the last tree that it can join, or into a new one at the end of `items`.

    Nothing goes before the item at `barrier`, nor into a tree that `suits` refuses.
    """
    needed = max((position[v] for v in root.reads if v in position), default=-1)
    first = max(needed, len(items) - _LOOKBACK, barrier)
    order = [i for i in range(len(items) - 1, first - 1, -1) if isinstance(items[i], Tree)]
    order.sort(key=lambda i: i != needed)  # where its operands are, if it can join there
    for at in order:
        tree = items[at]
        if isinstance(tree, Tree) and suits(tree) and join(root, tree, at == needed):
            break
    else:
        at = len(items)
        tree = Tree()
        items.append(tree)
        add(root, tree, [])
    position[root.value] = max(position.get(root.value, 0), at)


def common(first: list[Loop], second: list[Loop]) -> int:
    """The number of loops at the start of two paths that are the same."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a is not b:
            break
        count += 1
    return count
