"""The nodes of a function: what becomes one, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence

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
    taken = set(fn.param_names)
    called = {**variables(fn.live()), **fn.graph.names}
    unnamed: list[Node] = []
    for node in nodes:
        name = called.get(node.computed, called.get(node.core, ""))
        if node.kind == "input":
            node.name = node.label
        elif node.kind == "constant" and node.label not in taken:
            node.name = _claim(node.label, taken)
        elif name:
            node.name = _claim(name, taken)
        else:
            unnamed.append(node)
    count = 0
    for node in unnamed:
        count += 1
        while f"t{count}" in taken:
            count += 1
        node.name = _claim(f"t{count}", taken)


def _claim(name: str, taken: set[str]) -> str:
    """`name`, or with a number after it where it is taken; then it is taken."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free
