"""How wide texts are, estimated: the fonts of the reader are not known when a drawing is made."""

from __future__ import annotations

import unicodedata
from typing import Final

# Advance widths in ems, about those of DejaVu Sans, the widest of the common sans-serif fonts.
_ADVANCES: Final = {
    **dict.fromkeys("ijlI.,:;|!'`()[]{} ftr·", 0.42),
    **dict.fromkeys("+−=<>×Σ≤≥‖", 0.84),
    **dict.fromkeys("mwMW@%∞—…", 1.0),
}


def text_width(text: str, size: float) -> float:
    """The width of one line in a sans-serif font of that size; rather too much than too little.

    >>> text_width("x", 10.0) < text_width("W", 10.0) < text_width("xW", 10.0)
    True
    """
    return size * sum(map(_advance, text))


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    return _ADVANCES.get(character, 0.66)


def shortened(text: str, longest: int) -> str:
    """`text` on one line, of at most `longest` characters.

    >>> shortened("a formula that is long", 12)
    'a formula t…'
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
