"""Generators, `sum(x[i]*y[j] for i in range(n) for j in range(i) if c)`: loops, read as axes."""

from __future__ import annotations

from collections.abc import Generator as Coroutine
from collections.abc import Sequence

from symdiff.ir import boolean
from symdiff.ops import arrays, not_
from symdiff.parser.affine import Affine, Index, narrow
from symdiff.parser.context import Context
from symdiff.parser.grammar import Generator, Node
from symdiff.parser.indexed import Loops, Part, along, axes_of, core_of, reduced, value_of
from symdiff.parser.items import Collected, Extreme, Item, Several
from symdiff.parser.operators import condition_of, select
from symdiff.parser.subscripts import subscript, whole_number

REDUCTIONS = frozenset({"sum", "prod", "max", "min"})
_BOUNDS = (
    "write constants, symbols of shapes as in def f(x: f64[n]), len(x), "
    "and sums of such with outer indices"
)


def collect(b: Context, node: Generator) -> Coroutine[Node, Item, Collected]:
    """The terms of a generator. Yields the trees to build first, and is sent what they come to.

    Raises:
        ParseError: bounds that are not known, or not a sum of outer indices.
    """
    loops = Loops()
    hidden: list[tuple[str, Item | None]] = []
    b.loops.append(loops)
    later: list[Node] = []
    free: list[Index] = []  # the indices along which no array is built yet
    for clause in node.clauses:
        (child,) = clause.children
        if clause.kind == "if":
            b.reordered = True
            for condition in _conjuncts(child):
                # What limits indices comes first: it narrows what the others are computed for.
                if not _limits_indices(b, condition):
                    later.append(condition)
                    continue
                sides = yield from _built(condition.children)
                if not _limit(b, loops, condition, sides):
                    later.append(condition)
            continue
        if any(index.name == clause.text for index in loops.indices):
            hint = "give each index of a sum a name of its own"
            raise b.fail(f"two indices are called {clause.text[:40]}", clause, hint)
        is_range = child.kind == "call" and child.text == "range"
        ends = yield from _built(child.children if is_range else (child,))
        if is_range:
            item = _range(b, loops, clause, ends)
            free.append(loops.indices[-1])
        else:
            item = _elements(b, loops, clause, ends[0])
        hidden.append((clause.text, b.env.get(clause.text)))
        b.env[clause.text] = item
    narrow(loops.conditions, free)
    for condition in later:
        item = yield condition
        loops.masks.append(condition_of(b, item, condition, "`if`"))
    term = yield node.element
    for name, item in reversed(hidden):
        if item is None:
            del b.env[name]
        else:
            b.env[name] = item
    b.loops.pop()
    return Collected(term, node.element, loops)


def choose(b: Context, node: Node) -> Coroutine[Node, Item, Item]:
    """`x if c else y` in a term: an index has to be in range only where its branch is taken."""
    value, condition, other = node.children
    b.reordered = True
    held, missed = Loops(), Loops()
    conjuncts = _conjuncts(condition)
    plain = True
    for conjunct in conjuncts:
        limits = _limits_indices(b, conjunct)
        sides = (yield from _built(conjunct.children)) if limits else []
        plain = limits and _limit(b, held, conjunct, sides) and plain
    test = condition_of(b, (yield condition), condition, "`if`")
    if not plain:
        held.masks.append(test)
    if plain and len(held.conditions) == 1:
        missed.conditions.append(held.conditions[0].times(-1).plus(Affine(-1)))
    else:
        missed.masks.append(along(not_(value_of(test)), axes_of(test)))
    b.loops.append(held)
    first = yield value
    b.loops[-1] = missed
    second = yield other
    b.loops.pop()
    return select(b, test, [first, second], [value, other])


# Ranges.


def _built(nodes: Sequence[Node]) -> Coroutine[Node, Item, list[Item]]:
    """What the trees come to, one after the other."""
    items: list[Item] = []
    for node in nodes:
        item = yield node
        items.append(item)
    return items


def _range(b: Context, loops: Loops, clause: Node, ends: Sequence[Item]) -> Affine:
    """The index that runs over `range(*ends)`; what limits it by others goes into `loops`."""
    nodes = clause.children[0].children
    if not 1 <= len(ends) <= 3:
        hint = "write range(n), range(a, b) or range(a, b, step)"
        raise b.fail(f"range takes 1 to 3 arguments, not {len(ends)}", clause.children[0], hint)
    step = 1
    if len(ends) == 3:
        found = whole_number(b, ends[2], nodes[2])
        if found is None or found.terms or not found.offset:
            raise b.fail(
                "the step of a range is a constant other than 0", nodes[2], "write 2 or -1"
            )
        step = found.offset
    far, near = ("min", "max") if step > 0 else ("max", "min")
    last = min(len(ends), 2) - 1
    stops = _ends(b, ends[last], nodes[last], far)
    starts = _ends(b, ends[0], nodes[0], near) if last else [Affine(0)]
    if abs(step) > 1:
        return _strided(b, loops, clause, starts, stops, step)
    if step < 0:  # the same numbers in the other order
        starts, stops = [e.plus(Affine(1)) for e in stops], [s.plus(Affine(1)) for s in starts]
    low = max(start.bounds[0] for start in starts)
    high = min(stop.bounds[1] for stop in stops) - 1
    number = _new_index(b, loops, clause, low, high)
    loops.conditions += [number.minus(start) for start in starts]
    loops.conditions += [stop.minus(number).plus(Affine(-1)) for stop in stops]
    return number


def _strided(
    b: Context,
    loops: Loops,
    clause: Node,
    starts: Sequence[Affine],
    stops: Sequence[Affine],
    step: int,
) -> Affine:
    """An index that goes by steps: its start, and `step` for each run of the loop."""
    if len(starts) > 1:
        hint = "start at a sum of indices, or go by steps of 1"
        raise b.fail("the start of a range with steps", clause.children[0].children[0], hint)
    direction = 1 if step > 0 else -1
    (start,) = starts
    rooms = [stop.minus(start).times(direction) for stop in stops]
    runs = min((room.bounds[1] - 1) // abs(step) for room in rooms)
    count = _new_index(b, loops, clause, 0, runs)
    loops.conditions += [room.plus(Affine(-1)).plus(count, -abs(step)) for room in rooms]
    return start.plus(count, step)


def _new_index(b: Context, loops: Loops, clause: Node, low: int, high: int) -> Affine:
    outer = next((o.indices[-1] for o in reversed(b.loops) if o.indices), None)
    level = outer.level + 1 if outer else 0
    index = Index(clause.text, level, low, max(high, low - 1))
    loops.indices.append(index)
    return Affine.of(index)


def _ends(b: Context, item: Item, node: Node, which: str) -> list[Affine]:
    """The whole numbers the greatest (`max`) or least (`min`) of which is an end of a range."""
    number = whole_number(b, item, node)
    if number is not None:
        return [number]
    if isinstance(item, Extreme) and item.which == which:
        return list(item.numbers)
    raise b.fail("the bounds of a range are whole numbers that shapes tell", node, _BOUNDS)


def _elements(b: Context, loops: Loops, clause: Node, item: Item) -> Item:
    """What the index of `for v in x` stands for: the rows of an array."""
    (child,) = clause.children
    if isinstance(item, Several) and not item.is_list:
        raise b.fail("a sum over a tuple", child, "write a list: for v in [x, y]")
    array = b.part(item, child)
    if not core_of(array):
        hint = "write for i in range(n), or the name of an array"
        raise b.fail("an index runs over a range or over the rows of an array", child, hint)
    number = _new_index(b, loops, clause, 0, core_of(array)[0] - 1)
    return subscript(b, Node("index", (child, child), child.start, child.end), [array, number])


# Conditions.


def _conjuncts(root: Node) -> list[Node]:
    """The conditions that `and` joins."""
    found: list[Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        if node.kind == "and":
            pending += reversed(node.children)
        else:
            found.append(node)
    return found


_LINEAR = frozenset({"+", "-", "*", "neg", "pos", "number"})


def _limits_indices(b: Context, condition: Node) -> bool:
    """Whether a condition compares whole numbers that are sums of indices, as far as names tell."""
    if condition.kind != "compare" or not set(condition.text.split()) & {
        "<",
        "<=",
        ">",
        ">=",
        "==",
    }:
        return False
    if "!=" in condition.text:
        return False
    pending = list(condition.children)
    while pending:
        node = pending.pop()
        if node.kind not in _LINEAR and not (
            node.kind == "name" and isinstance(b.env.get(node.text), Affine)
        ):
            return False
        pending += node.children
    return True


def _limit(b: Context, loops: Loops, condition: Node, sides: Sequence[Item]) -> bool:
    """Add what a comparison says to `loops.conditions`; False if it is not one of sums."""
    numbers = [
        whole_number(b, side, node) for side, node in zip(sides, condition.children, strict=True)
    ]
    found: list[Affine] = []
    for i, symbol in enumerate(condition.text.split()):
        left, right = numbers[i], numbers[i + 1]
        if left is None or right is None:
            return False
        slack = right.minus(left) if symbol in ("<", "<=", "==") else left.minus(right)
        found.append(slack.plus(Affine(-1)) if symbol in ("<", ">") else slack)
        if symbol == "==":
            found.append(slack.times(-1))
    loops.conditions += found
    return True


# The sum itself.


def reduce_terms(b: Context, name: str, collected: Collected, node: Node) -> Part:
    """The sum (product, least, greatest) of the terms over the indices of their generator."""
    loops = collected.loops
    term = b.part(collected.term, collected.node)
    if value_of(term).type.dtype is boolean:
        term = along(arrays.cast(value_of(term), b.dtype), axes_of(term))
    if name in ("max", "min") and not all(index.extent for index in loops.indices):
        raise b.fail(f"{name} of no terms", node, "an index runs over nothing")
    return reduced(name, term, loops, b.loops)
