"""What a piece of text comes to: a value, or what is not one value yet.

Whole numbers stay what they are for as long as they can (`Affine`), so that x[i+1] becomes a slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from symdiff.parser.affine import Affine
from symdiff.parser.grammar import Node
from symdiff.parser.indexed import Loops, Part


@dataclass(frozen=True, eq=False, slots=True)
class Remainder:
    """`number` modulo `modulus`, where the indices wrap around."""

    number: Affine
    modulus: int
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Extreme:
    """The least (`min`) or the greatest (`max`) of several whole numbers, as a bound of a range."""

    which: str
    numbers: tuple[Affine, ...]
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Several:
    """Elements of a tuple, or of a list, which becomes an array where one is needed.

    `depth` is how deep a list of literals is nested; 0 if it is something else.
    """

    items: tuple[Item, ...]
    node: Node
    depth: int = 0
    type: Any = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Where each of the items stands in the text."""
        listed = self.node.kind in ("tuple", "list")
        return self.node.children if listed else (self.node,) * len(self.items)

    @property
    def is_list(self) -> bool:
        return self.node.kind == "list"


@dataclass(frozen=True, eq=False, slots=True)
class Text:
    """Quoted text, an argument of a function."""

    text: str
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Keyword:
    """The argument `name=item` of a call."""

    name: str
    item: Item
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Span:
    """A slice: start, stop and step, None where they are left out."""

    ends: tuple[Affine | None, Affine | None, Affine | None]
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """`None` or `...`."""

    text: str
    type: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Collected:
    """The terms of a generator, to be summed."""

    term: Item
    node: Node
    loops: Loops
    type: Any = None


Number = Affine | Remainder | Extreme  # whole numbers, not in the graph yet
Item = Part | Number | Several | Text | Keyword | Span | Mark | Collected

NONE: Final = Mark("None")
DOTS: Final = Mark("...")
