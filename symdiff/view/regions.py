"""Which parts of a picture can be folded into one box."""

from __future__ import annotations

from symdiff.view.picture import Picture


def regions(picture: Picture) -> list[int | None]:
    """For each box the one into which it folds: the first that every way to an output goes through.

    None where there is no such box, and for outputs. The boxes that fold into one, directly or
    one into the next, are what it alone is computed from: its region. (In the terms of compilers,
    immediate post-dominators; found as by Cooper, Harvey and Kennedy, in one round, since the
    graph has no cycle.)
    """
    count = len(picture.boxes)
    users: list[list[int]] = [[] for _ in range(count)]
    for wire in picture.wires:
        users[wire.source].append(wire.target)
    parents: list[int | None] = [None] * count
    depths = [0] * count
    for number in reversed(range(count)):
        found: int | None = None
        for i, user in enumerate(users[number]):
            found = user if i == 0 else _common(found, user, parents, depths)
        if found is not None and picture.boxes[found].kind == "output":
            found = None  # an output is its operation once more
        parents[number] = found
        depths[number] = 0 if found is None else depths[found] + 1
    return parents


def _common(
    one: int | None, other: int | None, parents: list[int | None], depths: list[int]
) -> int | None:
    """The first box that both fold into, or are."""
    while one != other and one is not None and other is not None:
        if depths[one] >= depths[other]:
            one, other = parents[one], other
        else:
            other = parents[other]
    return one if one == other else None
