"""Names for generated source: valid in the target language, and each given once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


class Names:
    """Identifiers that are taken, starting with `reserved`, and new ones that are not."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)
        self._count = 0

    def claim(self, wanted: str) -> str:
        """`wanted`, with as many underscores behind it as make it new."""
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def temporary(self) -> str:
        """The next of `t1`, `t2`, ... that is free."""
        while True:
            self._count += 1
            name = f"t{self._count}"
            if name not in self._taken:
                return name


def python_identifier(name: str) -> str:
    """`name` as Python reads identifiers (NFKC), other characters replaced by underscores."""
    name = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name))
    return name if name.isidentifier() else f"v{name}"


def ascii_identifier(name: str) -> str:
    """`name` in ASCII letters: Greek ones spelt out, accents dropped, the rest by code point.

    It starts with a letter; C keeps names with a leading underscore to itself.
    """
    spelt = "".join(map(_spell, unicodedata.normalize("NFKD", name)))
    return spelt if spelt[:1].isalpha() else f"v{spelt}"


def _spell(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else "_"
    if unicodedata.combining(character):
        return ""
    return greek(character) or f"u{ord(character):04x}"


def greek(letter: str) -> str | None:
    """What a Greek letter is called, `alpha` or `Gamma`, or None for any other character."""
    words = unicodedata.name(letter, "").split()
    if len(words) == 4 and words[0] == "GREEK" and words[2] == "LETTER":
        spelling = "lambda" if words[3] == "LAMDA" else words[3].lower()
        return spelling.capitalize() if words[1] == "CAPITAL" else spelling
    return None
