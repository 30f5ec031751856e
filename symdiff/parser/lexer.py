"""Text to tokens, with one regular expression, in linear time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Final

from symdiff.errors import ParseError

Token = tuple[str, str, int, int]
"""(kind, text, start, end). Kinds are `name`, `number`, `boolean`, `string`, `line` and `end`, and
for a keyword or symbol its text. A `line` opens each logical line: its text is the indentation,
and it stands, as `end` does, where the token before it ended."""

KEYWORDS: Final = frozenset({"and", "or", "not", "if", "else", "return", "def"})
_WORDS: Final = {**{word: word for word in KEYWORDS}, "True": "boolean", "False": "boolean"}
LONGEST_NAME: Final = 255

_TOKEN: Final = re.compile(
    r"""[ \t\f\ufeff]*+(?:
      (?P<string>[rRbBfFuU]{0,2}(?:
          \"{3}[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+\"{3}
        | '{3}[^'\\]*+(?:(?:\\.|'(?!''))[^'\\]*+)*+'{3}
        | "[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"
        | '[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'))
    | (?P<name>[^\W\d]\w*+)
    | (?P<number>0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
        | (?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+ | \.[0-9][0-9_]*+)(?:[eE][+-]?[0-9][0-9_]*+)?+)
    | (?P<symbol>\.\.\. | \*\*=? | //=? | << | >> | -> | && | \|\|
        | [-+*/%@^&|<>=!:]= | [-+*/%@^&|~<>=(),;:.\[\]{}])
    | (?P<newline>\r\n?|\n)
    | (?P<skip>\#[^\r\n]*+ | \\(?:\r\n?|\n))
    | (?P<end>\Z)
    | (?P<stray>.))""",
    re.VERBOSE | re.DOTALL,
)

_STRAY: Final = {
    "?": "for a choice write `b if a else c`",
    "!": "write factorial(x) for x!, and `not c` for !c",
    "\\": "a backslash must end its line",
    "$": "leave the dollar signs out",
    "'": "write the derivative's variable out: a formula has no primes and no quoted text",
    '"': "a formula has no quoted text",
    "\0": "the text contains a null character; remove it",
    "\xa0": "write a plain space",
    "\N{MINUS SIGN}": "write -",
    "\N{EN DASH}": "write -",
    "\N{MULTIPLICATION SIGN}": "write *",
    "\N{MIDDLE DOT}": "write *",
    "\N{DOT OPERATOR}": "write *",
    "\N{DIVISION SIGN}": "write /",
    "\N{SQUARE ROOT}": "write sqrt(x)",
    "\N{LESS-THAN OR EQUAL TO}": "write <=",
    "\N{GREATER-THAN OR EQUAL TO}": "write >=",
    "\N{NOT EQUAL TO}": "write !=",
    "\N{INFINITY}": "a formula has no infinity",
}


def tokens(source: str) -> Iterator[Token]:
    """The tokens of `source`, the last of them `end`.

    Lines within parentheses and blank lines give no token. A generator, so that an error is
    raised only once all that stands before it has been read.

    Raises:
        ParseError: characters that belong to no formula.
    """
    depth = last = line_start = 0
    fresh = True  # the next token is the first of its line
    for match in _TOKEN.finditer(source):
        group = match.lastgroup or ""
        if group == "skip":
            continue
        if group == "newline":
            fresh = fresh or not depth
            line_start = match.end()
            continue
        if group == "end":
            yield "end", "", last, last
            return
        text, start = match[group], match.start(group)
        if fresh:
            yield "line", source[line_start:start].replace("\ufeff", ""), last, last
            fresh = False
        last = match.end()
        if group == "symbol":
            if text in "([{":
                depth += 1
            elif text in ")]}" and depth:
                depth -= 1
            yield text, text, start, last
        elif group == "name":
            if last - start > LONGEST_NAME or not text.isascii():
                text = _checked_name(source, text, start)
            yield _WORDS.get(text, "name"), text, start, last
        elif group == "number":
            if last < len(source) and (source[last].isalnum() or source[last] == "_"):
                raise _glued(source, text, last)
            yield "number", text, start, last
        elif group == "string":
            yield "string", text, start, last
        else:
            hint = _STRAY.get(text, "remove it, or write it as a name or an operator")
            raise ParseError(f"unexpected character {text!a}", source, start, hint)


def normalized(name: str) -> str:
    """`name` in the form in which Python compares identifiers (NFKC)."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def near(name: str, known: Collection[str]) -> str | None:
    """`did you mean ...?` with the nearest of the known names, if one is near."""
    matches = get_close_matches(name, known, 1)
    return f"did you mean {matches[0]}?" if matches else None


def _checked_name(source: str, text: str, start: int) -> str:
    if len(text) > LONGEST_NAME:
        reason = f"this name has {len(text)} characters"
        raise ParseError(reason, source, start, f"names have at most {LONGEST_NAME} characters")
    if not text.isidentifier():
        bad = next(i for i in range(1, len(text) + 1) if not text[:i].isidentifier()) - 1
        reason = f"{text[bad]!r} cannot be part of a name"
        raise ParseError(reason, source, start + bad, "write a power as x**2, an index as x_2")
    return normalized(text)


def _glued(source: str, number: str, end: int) -> ParseError:
    match = re.compile(r"\w{1,20}").match(source, end)
    rest = match[0] if match else ""
    number = number if len(number) <= 20 else "2"
    if rest in ("j", "J"):
        hint = f"formulas are real; for a variable called {rest} write {number}*{rest}"
        return ParseError("a complex number", source, end, hint)
    if rest in KEYWORDS:
        return ParseError(f"no space before `{rest}`", source, end, f"write {number} {rest}")
    reason = "an operator is missing between a number and a name"
    return ParseError(reason, source, end, f"write {number}*{rest} for a product")
