"""From words on the command line to functions and points."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click

import symdiff as sd

# What can only be a path: /x, ./x, ~/x, and words with a suffix, which no formula has.
PATH: Final = re.compile(r"(~?/|\.\.?/).*|[\w.~:/-]*([\w-]\.[A-Za-z]{2,5}|[^\W\d]\.[A-Za-z])")


def read_function(source: str, args: Sequence[str]) -> sd.Function:
    """The function that the words on the command line denote."""
    types: dict[str, str] = {}
    for word in args:
        name, _, kind = word.partition(":")
        if not name.strip() or name.strip() in types:
            raise sd.ArgumentError(f"--arg {word}: write NAME:TYPE, each name once")
        types[name.strip()] = kind.strip() or "f64"
    return sd.function(_text(source), types or None)


def _text(source: str) -> str:
    """The formula itself: the argument, or what the file or standard input holds."""
    try:
        if source == "-":
            return sys.stdin.buffer.read().decode()
        if len(source) < 4096 and "\0" not in source:
            return _contents(source)
    except UnicodeDecodeError as error:
        raise sd.ArgumentError(f"{source}: not UTF-8 text: {error}") from None
    except OSError as error:
        if "File name too long" not in str(error):
            raise
    return source


def _contents(source: str) -> str:
    """What the file `source` holds; without such a file `source` itself, a formula."""
    path, is_path = Path(source), PATH.fullmatch(source) is not None
    if path.is_file() or (is_path and path.exists()):
        if not is_path:
            click.echo(f"reading the file {source}", err=True)
        return path.read_text(encoding="utf-8")
    if is_path:
        raise sd.ArgumentError(f"no such file: {source}")
    return source


def read_point(words: Iterable[str]) -> dict[str, float]:
    """The point that `x=1,y=pi/2` denotes."""
    point: dict[str, float] = {}
    for part in (p for word in words for p in _split(word) if p.strip()):
        name, equals, text = part.partition("=")
        if not equals or name.strip() in point:
            raise sd.ArgumentError(f"--at {part.strip()!r}: write x=1,y=2, each name once")
        point[name.strip()] = _number(text)
    return point


def _split(word: str) -> list[str]:
    """The parts of `word` between the commas that are outside parentheses."""
    depth, parts = 0, [""]
    for character in word:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        constant = sd.function(text, [])
    if len(constant.outputs) != 1:
        raise sd.ArgumentError(f"--at: {text.strip()} is not one number")
    return float(constant())
