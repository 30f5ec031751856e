"""Which values are stored in memory, and which are computed where they are used.

A value is stored if a step needs it as a whole (the result of a reduction, an operand of a matrix
product), if it is an output, or if computing it again for each of its users would cost more than
a store and some loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Final

from symdiff.codegen.loops.program import Affine, Var
from symdiff.codegen.loops.shapes import view_place
from symdiff.codegen.tensors import WHOLE
from symdiff.ir import CONST, ITEM, PARAM, Function, Value
from symdiff.ops import OPS

EXPENSIVE: Final = 12  # operations: above this a value used twice is stored
LONGEST: Final = 500  # operations computed in one go: LLVM's time grows faster than their number
UNROLLED: Final = 8  # terms up to which a sum is written out where it is used
_COSTS: Final = {"div": 6, "sqrt": 6, "floor": 1, "fma": 1}  # cycles of one lane, roughly
_LIBRARY_COST: Final = 20
_GATHER_COST: Final = 12

VIEWS: Final = frozenset(
    OPS[name]
    for name in ("broadcast", "reshape", "transpose", "slice", "embed", "concatenate", "gather")
)
REDUCTIONS: Final = {OPS[f"reduce_{kind}"]: kind for kind in ("sum", "max", "min")}
STEPS: Final = (OPS["contract"], OPS["scan"])  # read and written as a whole, by steps of their own
CHANGES: Final = (OPS["put_at"], OPS["add_at"])  # a copy, then what changes in it
_CHEAP: Final = frozenset((
    "neg", "add", "sub", "mul", "fma", "abs", "sign", "lt", "le", "eq", "ne", "and", "or", "not",
    "where", "min", "max", "copysign", "convert",
))  # fmt: skip


def operation_cost(value: Value) -> int:
    name = value.op.name
    return 1 if name in _CHEAP else _COSTS.get(name, _LIBRARY_COST)


def needs_memory(value: Value) -> bool:
    """Whether the value is the result of a step of its own."""
    if value.op in REDUCTIONS:
        return not is_short_sum(value)
    return value.op in WHOLE or (value.op is ITEM and value.args[0].op in WHOLE)


def is_short_sum(value: Value) -> bool:
    """Whether a reduction has so few terms that it can be written out."""
    source, result = value.args[0].type, value.type
    return 0 < source.size <= UNROLLED * result.size


def affine_reshape(value: Value) -> bool:
    """Whether every element of a reshape is at an affine place of its operand."""
    shape = value.type.shape
    place = tuple(Affine(0, ((Var(n, 0), 1),)) if n > 1 else Affine(0) for n in shape)
    return view_place(value, place) is not None


def stored_values(fn: Function, extra: Iterable[Value]) -> set[Value]:
    """The values of `fn` that get memory, apart from parameters and constants."""
    live = fn.live()
    fixed = _forced(fn, live) | set(extra)
    _cut_chains(live, fixed)
    chosen = fixed
    for _ in range(3):  # what is stored makes its users cheaper, so look again
        cheap, dear = _costs(live, chosen, 0), _costs(live, chosen, _GATHER_COST)
        again = _worth_storing(live, fixed, cheap, dear)
        if again == chosen:
            break
        chosen = again
    return chosen


def _given(value: Value) -> bool:
    return value.op is PARAM or value.op is CONST


def _forced(fn: Function, live: Sequence[Value]) -> set[Value]:
    found = {v for v in live if needs_memory(v)} | set(fn.outputs) | whole_operands(fn)
    return {v for v in found if not _given(v) and not hasattr(v.type, "elements")}


def _cut_chains(live: Sequence[Value], fixed: set[Value]) -> None:
    """Store something now and then along computations that are very long."""
    length: dict[Value, int] = {}
    for value in live:
        if value in fixed or not value.args:
            length[value] = 0
            continue
        length[value] = 1 + sum(length[a] for a in dict.fromkeys(value.args))
        if length[value] > LONGEST and not hasattr(value.type, "elements"):
            fixed.add(value)
            length[value] = 0


def whole_operands(fn: Function) -> set[Value]:
    """The values that steps read as a whole: operands of matrix products, loops and reshapes."""
    found: set[Value] = set()
    for value in fn.live():
        if value.op in STEPS or (value.op.name == "reshape" and not affine_reshape(value)):
            found.update(value.args)
        elif value.op in CHANGES:
            found.add(value.args[0])
    return found


def scattered(value: Value) -> tuple[Value, tuple[Value, ...]]:
    """The elements that a value has at computed places, and the indices of these."""
    first = 1 if value.op in CHANGES else 0
    return value.args[first], value.args[first + 1 :]


def _costs(live: Sequence[Value], stored: set[Value], gather: int) -> dict[Value, int]:
    """The operations that it takes to have one element of each value where it is used.

    `gather` is the cost of reading at a computed place.
    """
    cost: dict[Value, int] = {}
    for value in live:
        if not value.args or value in stored:
            cost[value] = 1
            continue
        total = min(10**6, sum(cost[a] for a in dict.fromkeys(value.args)))
        if value.op in REDUCTIONS:
            terms = prod(value.args[0].type.shape) // max(1, prod(value.type.shape))
            total = terms * (total + 1)
        elif value.op.name == "gather":
            total += gather
        elif value.op not in VIEWS and value.op is not ITEM:
            total += operation_cost(value)
        cost[value] = total
    return cost


def _worth_storing(
    live: Sequence[Value], fixed: set[Value], cheap: dict[Value, int], dear: dict[Value, int]
) -> set[Value]:
    """`fixed` and the expensive values that would be computed more than once.

    Users in the same loop share what they gather, so that costs nothing (`cheap`); an inner loop
    that repeats it pays every time (`dear`).
    """
    stored = set(fixed)
    # Where each value is needed: pairs of a stored value and the views on the way there.
    keys: dict[Value, set[tuple[int, int]]] = {}
    again: set[Value] = set()  # needed several times for one element of a user
    for user in reversed(live):
        wanted = keys.get(user, set())
        splits = len(wanted) > 1 or user in again
        cost = dear if user in again else cheap
        plain = user.op not in VIEWS and not _given(user) and not hasattr(user.type, "elements")
        if user not in stored and splits and plain and cost[user] > EXPENSIVE:
            stored.add(user)
        if user in stored:
            wanted = {(user.index, 0)}
        repeats = user not in stored and user in again
        for position, arg in enumerate(user.args):
            through = wanted
            if user.op in VIEWS and user not in stored:
                through = {(root, hash((path, user.index, position))) for root, path in wanted}
            held = keys.setdefault(arg, set())
            if len(held) < 8:
                held |= through
            if repeats or _repeats(user):
                again.add(arg)
    return stored


def _repeats(user: Value) -> bool:
    """Whether `user` reads the elements of its operand many times, in inner loops."""
    if user.op.name == "gather":
        return user.type.size > 2 * user.args[0].type.size
    if user.op.name != "broadcast":
        return False
    source, shape = user.args[0].type.shape, user.type.shape
    lead = len(shape) - len(source)
    stretched = [a < lead or source[a - lead] != n for a, n in enumerate(shape)]
    kept = [a for a, s in enumerate(stretched) if not s and shape[a] > 1]
    # Stretched axes inside of all others cost nothing: the value is computed outside their loops.
    return any(s and shape[a] > 1 and kept and a < kept[-1] for a, s in enumerate(stretched))
