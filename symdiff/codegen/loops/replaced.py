"""New values of donated parameters, while loops are put together.

They come last, and not into loops that read the old values at other places: then they can be
written where the parameters lie (see `donation`), which is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.codegen.loops.access import read_by
from symdiff.codegen.loops.fuse import Root, Tree
from symdiff.codegen.loops.program import Affine, Buffer
from symdiff.codegen.loops.values import CHANGES
from symdiff.ir import Function, Value


class Replacements:
    """Which outputs of a function replace which parameters.

    Attributes:
        params: the parameters, by the buffers of their new values.
    """

    def __init__(self, fn: Function, donated: Sequence[tuple[int, int]]) -> None:
        self._fn = fn
        self._donated = dict(donated)
        self.params: dict[Buffer, Value] = {}

    def note(self, output: int, buffer: Buffer) -> bool:
        """Whether the output at a position, whose buffer it is, is its parameter as it is."""
        if output not in self._donated:
            return False
        self.params[buffer] = self._fn.params[self._donated[output]]
        return self._fn.outputs[output] is self.params[buffer]

    def buffers(self, buffers: Mapping[Value, Buffer]) -> dict[Buffer, Buffer]:
        """The buffers of parameters, by those of their new values."""
        return {new: buffers[param] for new, param in self.params.items()}

    def late(self, live: Sequence[Value]) -> list[Value]:
        """The values of the function, those that come from the new value of a parameter last.

        Little reads the old values any more when these are written then.
        """
        new = {self._fn.outputs[output] for output in self._donated}
        last: dict[Value, None] = {}
        for value in live:
            if (value in new and value.args) or any(arg in last for arg in value.args):
                last[value] = None
        return [*(value for value in live if value not in last), *last]

    def elements(self) -> list[Value]:
        """What goes into few places of parameters: computed before the first one is written."""
        found: list[Value] = []
        for output in self._donated:
            value = self._fn.outputs[output]
            while value.op in CHANGES:
                if value.args[1].args:
                    found.append(value.args[1])
                value = value.args[0]
        return found

    def first(self, root: Root, items: Sequence[Any], buffers: Mapping[Value, Buffer]) -> int:
        """The first of `items` that `root` may go into: none before what reads the old values.

        Items are trees, or lists of steps.
        """
        param = self._written(root)
        if param is None:
            return 0
        readers = (
            at
            for at, item in enumerate(items)
            if (
                any(param in other.reads for other in item.roots())
                if isinstance(item, Tree)
                else any(buffers[param] in read_by(step) for step in item)
            )
        )
        return max(readers, default=0)

    def suits(self, root: Root, tree: Tree) -> bool:
        """Whether `root` and those in `tree` read parameters only where new values go."""
        if not self.params:
            return True
        for other in tree.roots():
            for writer, reader in ((root, other), (other, root)):
                param = self._written(writer)
                if param in reader.reads and not _along(writer, reader, param):
                    return False
        return True

    def _written(self, root: Root) -> Value | None:
        """The parameter whose new value is made by `root`."""
        return None if root.buffer is None else self.params.get(root.buffer)


def _along(writer: Root, reader: Root, param: Value) -> bool:
    """Whether one root reads the elements of `param` in the order in which another writes them."""
    if writer.kind != "map" or writer.start:
        return False
    for place in reader.reads[param]:
        if place is None:
            return False
        for axis, extent in enumerate(param.type.shape):
            level = writer.axes.index(axis)
            same = level < len(reader.vars) and Affine(0, ((reader.vars[level], 1),))
            if extent > 1 and place[axis] != same:
                return False
    return True
