"""Functions whose values know their line in the printed IR, and which value another one was."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence

from symdiff import ir
from symdiff.ir import PARAM, Function, Graph, Location, Value

Numbers = Mapping[Value, int]


def origins(fn: Function) -> dict[Value, Location]:
    """The place of every value in `ir.print_function(fn)`: its line, from 1, and 0.

    A parameter stands in the first line of its function, as the first, second, ... there.
    """
    found: dict[Value, Location] = {}
    heads = iter(ir.with_nested(fn))
    for number, (line, value) in enumerate(ir.function_lines(fn), 1):
        if value is not None:
            found[value] = (number, 0)
        elif line.startswith("func "):
            for place, param in enumerate(next(heads).params, 1):
                found[param] = (number, place)
    return found


def numbered(fn: Function) -> Function:
    """A copy of `fn` in which `location` says where in the printed IR a value is, see `origins`.

    What is made of it line by line, such as machine code, then says which line it comes from.
    """
    return relocated(fn, origins(fn))


def relocated(fn: Function, places: Mapping[Value, Location]) -> Function:
    """A copy of `fn` whose values, and those of its loops, have these locations."""
    copies: dict[Function, Function] = {}
    for part in reversed(ir.with_nested(fn)):  # those that are used first
        graph = Graph()
        known: dict[Value, Value] = {}
        for value in dict.fromkeys((*part.params, *part.live())):
            graph.location = places.get(value)
            args = tuple([known[a] for a in value.args])
            attrs = tuple([
                (name, copies[attr] if isinstance(attr, Function) else attr)
                for name, attr in value.attrs
            ])  # fmt: skip
            known[value] = graph.add(value.op, args, attrs, value.type)
        graph.location = None
        params, outputs = ([known[v] for v in values] for values in (part.params, part.outputs))
        copies[part] = Function(part.name, tuple(params), tuple(outputs), part.result)
    return copies[fn]


def in_order(fn: Function) -> dict[Value, int]:
    """The numbers that `ir.print_function` gives the values of `fn`."""
    return {value: i for i, value in enumerate(_computed(fn))}


def followed(fn: Function, other: Function, numbers: Numbers, fresh: int) -> dict[Value, int]:
    """Numbers for the values of `fn`: those of the values of `other` that they are.

    A value is the same as another one if it is the same operation on the same operands, or else
    the same operation from the same place in the source, on other operands now. The rest are
    numbered from `fresh` on.
    """
    exact: dict[Hashable, int] = {}
    similar: defaultdict[Hashable, deque[int]] = defaultdict(deque)
    for value in _computed(other):
        exact[_identity(value, numbers)] = numbers[value]
        similar[_likeness(value)].append(numbers[value])
    found: dict[Value, int] = {}
    taken: set[int] = set()
    changed: list[Value] = []
    for value in _computed(fn):
        number = exact.get(_identity(value, found))
        if number is None or number in taken:
            number = _first_free(similar[_likeness(value)], taken) if value.args else None
            if number is None:
                number, fresh = fresh, fresh + 1
            changed.append(value)
        found[value] = number
        taken.add(number)
    return found


def _first_free(numbers: deque[int], taken: set[int]) -> int | None:
    while numbers:
        number = numbers.popleft()
        if number not in taken:
            return number
    return None


def _computed(fn: Function) -> Iterable[Value]:
    return [value for value in fn.live() if value.op is not PARAM]


def _identity(value: Value, numbers: Numbers) -> Hashable:
    operands = [a.attr("name") if a.op is PARAM else numbers.get(a, -1) for a in value.args]
    return value.op.name, tuple(operands), _attributes(value), str(value.type)


def _likeness(value: Value) -> Hashable:
    return value.op.name, value.location, len(value.args), str(value.type)


def _attributes(value: Value) -> Sequence[Hashable]:
    return tuple([
        (name, ir.print_function(attr) if isinstance(attr, Function) else attr)
        for name, attr in value.attrs
    ])  # fmt: skip
