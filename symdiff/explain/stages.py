"""The stages from the formula to the code as texts, each beside the one before it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import Final, NamedTuple

from symdiff.explain.numbering import followed, in_order
from symdiff.ir import Function, Value, function_lines
from symdiff.passes import Pass

LONG: Final = 2000  # lines that nobody compares

KEPT, GONE, NEW, MOVED = " ", "-", "+", "~"


class Line(NamedTuple):
    """A line of a difference: kept, gone, new or moved here, and the value that it computes."""

    kind: str
    text: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Stage:
    """What one pass did.

    Attributes:
        name: the name of the pass.
        summary: the first sentence of its documentation.
        seconds: how long it took.
        function: what came out.
        numbers: those of its values in `lines`.
        lines: the difference to what went in; of the first stage, and of one that changed nothing,
            the text; () where it is too long to read.
        changed: whether the text is another one.
        sizes: the number of lines before and after.
    """

    name: str
    summary: str
    seconds: float
    function: Function
    numbers: Mapping[Value, int]
    lines: tuple[Line, ...]
    changed: bool
    sizes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A pass that has run: the function that came out, and the seconds that it took."""

    name: str
    summary: str
    function: Function
    seconds: float


def run_one_by_one(passes: Sequence[Pass], fn: Function) -> list[Step]:
    """`fn` through each pass in turn, as `passes.run`, every function in between kept."""
    steps: list[Step] = []
    for step in passes:
        start = time.perf_counter()
        fn = step(fn)
        seconds = time.perf_counter() - start
        named = step.func if isinstance(step, partial) else step
        name = named.__name__
        steps.append(Step(name, first_sentence(named.__doc__), fn, seconds))
    return steps


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, in one line; `fn` is the function that it speaks of."""
    paragraph = (text or "").strip().partition("\n\n")[0].replace("`fn`", "the function")
    sentence, dot, _ = " ".join(paragraph.split()).partition(". ")
    return sentence[:1].upper() + sentence[1:] + ("." if dot else "")


def compared(steps: Sequence[Step], final: int) -> list[Stage]:
    """The stages, each compared with the one before it.

    The values of `steps[final]` have the numbers that its text has, and the same ones wherever they
    are there already or still; what is not there in the end is numbered after them.
    """
    numbers = _numbers_throughout([step.function for step in steps], final)
    texts = [
        function_lines(step.function, known) for step, known in zip(steps, numbers, strict=True)
    ]
    stages: list[Stage] = []
    before: list[tuple[str, Value | None]] = []
    for i, (step, after) in enumerate(zip(steps, texts, strict=True)):
        lines = _difference(before, after) if i else [Line(KEPT, *line) for line in after]
        changed = not i or any(line.kind != KEPT for line in lines)
        if not lines:  # not compared line by line
            changed = [text for text, _ in before] != [text for text, _ in after]
        shown = tuple(lines) if len(lines) <= 2 * LONG else ()
        sizes = (len(before), len(after))
        stages.append(
            Stage(
                step.name,
                step.summary,
                step.seconds,
                step.function,
                numbers[i],
                shown,
                changed,
                sizes,
            )
        )
        before = after
    return stages


def _numbers_throughout(functions: Sequence[Function], final: int) -> list[dict[Value, int]]:
    """The numbers of the values of every function, see `compared`."""
    numbers: list[dict[Value, int]] = [{} for _ in functions]
    numbers[final] = in_order(functions[final])
    fresh = len(numbers[final])
    backward = [(i, i + 1) for i in range(final - 1, -1, -1)]
    forward = [(i, i - 1) for i in range(final + 1, len(functions))]
    for here, there in (*backward, *forward):
        numbers[here] = followed(functions[here], functions[there], numbers[there], fresh)
        fresh = max(fresh, *(n + 1 for n in numbers[here].values()), 0)
    return numbers


def _difference(
    before: Sequence[tuple[str, Value | None]], after: Sequence[tuple[str, Value | None]]
) -> list[Line]:
    """The lines of both, in order; empty where they are too many."""
    if max(len(before), len(after)) > LONG:
        return []
    matcher = SequenceMatcher(None, [t for t, _ in before], [t for t, _ in after], autojunk=False)
    lines: list[Line] = []
    for _, i, j, k, m in matcher.get_opcodes():
        if before[i:j] and [t for t, _ in before[i:j]] == [t for t, _ in after[k:m]]:
            lines += [Line(KEPT, *line) for line in after[k:m]]
        else:
            lines += [Line(GONE, *line) for line in before[i:j]]
            lines += [Line(NEW, *line) for line in after[k:m]]
    return _with_moves(lines)


def _with_moves(lines: list[Line]) -> list[Line]:
    """What went in one place and came in another, as one line that has moved."""
    both = {x.text for x in lines if x.kind == GONE} & {x.text for x in lines if x.kind == NEW}
    both -= {"}"}
    return [
        line._replace(kind=MOVED) if line.kind == NEW and line.text in both else line
        for line in lines
        if not (line.kind == GONE and line.text in both)
    ]
