"""The nodes of a function: what becomes one, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symdiff import autodiff, ir
from symdiff.graph.node import Node
from symdiff.graph.variables import variables


def nodes_of(fn: ir.Function, text: str | None) -> list[Node]:
    """The nodes of `fn`, operands first: the parameters, then constants and operations.

    The only element that is used of an operation with several results is not a node of its own,
    but that operation itself.
    """
    live = fn.live()
    items: dict[ir.Value, list[ir.Value]] = {}
    for value in live:
        if value.op is ir.ITEM:
            items.setdefault(value.args[0], []).append(value)
    merged = {found[0]: whole for whole, found in items.items() if len(found) == 1}
    skipped = set(merged.values())
    flows = autodiff.active(fn)
    made: dict[ir.Value, Node] = {}
    for value in dict.fromkeys((*fn.params, *live)):
        if value in skipped:
            continue
        core = merged.get(value, value)
        inputs = tuple([made[a] for a in core.args])
        runs = tuple([a in flows for a in core.args])
        made[value] = Node(value, core, inputs, runs, text)
    nodes = list(made.values())
    users: dict[Node, list[Node]] = {node: [] for node in nodes}
    for index, node in enumerate(nodes):
        node.index = index
        for operand in node.inputs:
            users[operand].append(node)
    for node, found in users.items():
        node.users = tuple(found)
    for output in fn.outputs:
        made[output].is_output = True
    _give_names(nodes, fn)
    return nodes


def _give_names(nodes: Sequence[Node], fn: ir.Function) -> None:
    """Parameters have theirs, other values those that a program gives them, the rest `t1`, ..."""
    names = _Names(fn.param_names)
    called = {**variables(fn.live()), **fn.graph.names}
    unnamed: list[Node] = []
    for node in nodes:
        name = called.get(node.computed, called.get(node.core, ""))
        if node.kind == "input":
            node.name = node.label
        elif node.kind == "constant" and node.label not in names:
            node.name = names.claim(node.label)
        elif name:
            node.name = names.claim(name)
        else:
            unnamed.append(node)
    for node in unnamed:
        node.name = names.claim("t", "", 1)


class _Names:
    """Names that are taken, and new ones."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._counts: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def claim(self, name: str, between: str = "_", first: int = 2) -> str:
        """`name`, where it may stand alone and is free; else the next one with a number."""
        free, count = name, self._counts.get(name, first - 1)
        while free in self._taken or (first == 1 and free == name):
            count += 1
            free = f"{name}{between}{count}"
        self._counts[name] = count
        self._taken.add(free)
        return free
