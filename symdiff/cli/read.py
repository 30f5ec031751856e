"""From words on the command line to functions and points."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import numpy as np

import symdiff as sd
from symdiff import ir
from symdiff.polymorphic import Polymorphic

# What can only be a path: /x, ./x, ~/x, and words with a suffix, which no formula has but `.T`.
PATH: Final = re.compile(r"(~?/|\.\.?/).*|[\w.~:/-]*([\w-]\.[A-Za-z]{2,5}|[^\W\d]\.(?!T$)[A-Za-z])")
DEEPEST: Final = 32  # axes of an array that is written out


def read_function(source: str, args: Sequence[str], point: Mapping[str, Any]) -> sd.Function:
    """The function that the words on the command line denote, its types known.

    Extents that are symbols get their numbers from the arrays of the point, and so do parameters
    without a type, where the formula is not one of numbers.
    """
    return function_of(read_text(source), args, point)


def function_of(text: str, args: Sequence[str], point: Mapping[str, Any]) -> sd.Function:
    """The function that a formula denotes, with the words of `--arg` and the point of `--at`."""
    types: dict[str, str] = {}
    for word in args:
        name, _, kind = word.partition(":")
        if not name.strip() or name.strip() in types:
            raise sd.ArgumentError(f"--arg {word}: write NAME:TYPE, each name once")
        types[name.strip()] = kind.strip() or "f64"
    try:
        fn = sd.function(text, types or None)
    except sd.ParseError:
        if types or not any(np.shape(value) for value in point.values()):
            raise
        words = re.findall(r"\w+", text)
        order = sorted(point, key=lambda name: words.index(name) if name in words else len(words))
        shapes = {name: np.shape(point[name]) for name in order}
        fn = sd.function(text, {name: ir.Type(ir.f64, shape) for name, shape in shapes.items()})
    if not isinstance(fn, Polymorphic):
        return fn
    if not point:
        raise sd.ArgumentError(
            f"{fn.name} depends on the shapes of {', '.join(fn.parameters)}: give types without "
            "symbols, as --arg 'x:f64[8]', or arrays, as --at 'x=[1,2,3]'"
        )
    return fn.specialize(*in_order(fn.parameters, point))


def read_text(source: str) -> str:
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


def read_point(words: Iterable[str]) -> dict[str, Any]:
    """The point that `x=1,y=pi/2`, `W=[[1,2],[3,4]]`, `x=@x.npy` and `@point.json` denote.

    Numbers are floats; arrays are lists, or what the file has.
    """
    point: dict[str, Any] = {}
    for part in (p.strip() for word in words for p in _split(word) if p.strip()):
        if part.startswith(("@", "{")):
            given = _read_file(part[1:]) if part.startswith("@") else _parsed_json(part, part)
            if not isinstance(given, dict):
                raise sd.ArgumentError(f"--at {_short(part)}: expected a JSON object with names")
            entries = [(n, _plain(n, v)) for n, v in cast("dict[str, Any]", given).items()]
        else:
            name, equals, text = (word.strip() for word in part.partition("="))
            if not equals:
                raise sd.ArgumentError(f"--at {_short(part)!r}: write x=1,y=[2,3], each name once")
            entries = [(name, _value(name, text))]
        for name, value in entries:
            if name in point:
                raise sd.ArgumentError(f"--at {name}: write x=1,y=[2,3], each name once")
            point[name] = value
    return point


def in_order(names: Sequence[str], point: Mapping[str, Any]) -> list[Any]:
    """The values of a point in the order of the parameters `names`.

    Raises:
        ArgumentError: a parameter has none, or there is one for what is no parameter.
    """
    missing = [name for name in names if name not in point]
    unknown = [name for name in point if name not in names]
    if missing or unknown:
        wrong = [f"missing {', '.join(missing)}"] if missing else []
        wrong += [f"unknown {', '.join(unknown)}"] if unknown else []
        raise sd.ArgumentError(f"--at: {'; '.join(wrong)}; parameters are {', '.join(names)}")
    return [point[name] for name in names]


def fitted(fn: sd.Function, point: Mapping[str, Any]) -> dict[str, Any]:
    """The point in the order of the parameters, with whole numbers for those that are integers."""
    kinds = {p.attr("name"): p.type.dtype.kind for p in fn.ir.params}
    fitted: dict[str, Any] = {}
    for name, value in zip(fn.parameters, in_order(fn.parameters, point), strict=True):
        whole = isinstance(value, float) and value.is_integer()
        if whole and kinds[name] == "b" and value in (0.0, 1.0):
            value = bool(value)
        fitted[name] = int(value) if whole and kinds[name] == "i" else value
    return fitted


def _split(word: str) -> list[str]:
    """The parts of `word` between the commas that are outside parentheses."""
    depth, start, parts = 0, 0, list[str]()
    for place, character in enumerate(word):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            parts.append(word[start:place])
            start = place + 1
    return [*parts, word[start:]]


def _value(name: str, text: str) -> Any:
    """A number or an array, written out or in a file."""
    if text.startswith("@"):
        return _plain(name, _read_file(text[1:]))
    if not text.startswith("["):
        return _number(text)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = _list(name, text)
    return _plain(name, given)


def _list(name: str, text: str, depth: int = 0) -> Any:
    """The nested lists of formulas without parameters that `[pi, [1/2, 3]]` denotes."""
    text = text.strip()
    if not text.startswith("["):
        return _number(text)
    if not text.endswith("]") or depth > DEEPEST:
        raise sd.ArgumentError(f"--at {name}: cannot read the array {_short(text)}")
    inner = text[1:-1]
    return [_list(name, part, depth + 1) for part in _split(inner)] if inner.strip() else []


def _plain(name: str, given: Any) -> Any:
    """A number, a list or an array of real numbers; strings such as "nan" are numbers in JSON."""
    if isinstance(given, np.ndarray):
        array = cast("Any", given)
        if array.dtype.kind not in "biuf":
            raise sd.ArgumentError(f"--at {name}: expected real numbers, got {array.dtype}")
        return array if array.ndim else array.item()
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return _float(name, given)
    try:
        array = np.asarray(given)
        if array.dtype.kind == "U":
            array = array.astype(np.float64)
    except (ValueError, OverflowError, RecursionError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise sd.ArgumentError(
            f"--at {name}: expected a number, or an array with rows of one length, "
            f"got {_short(str(given))}"
        )
    return array.tolist()


def _float(name: str, number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise sd.ArgumentError(f"--at {name}: too large for a float64") from None


def _read_file(path: str) -> Any:
    """What a file has: an array of NumPy's, or JSON."""
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise sd.ArgumentError(f"{path}: not an array of numbers: {error}") from None
    if not path.endswith(".json"):
        raise sd.ArgumentError(f"--at @{path}: arrays are read from .npy and .json files")
    try:
        return _parsed_json(Path(path).read_text(encoding="utf-8"), path)
    except UnicodeDecodeError as error:
        raise sd.ArgumentError(f"{path}: not UTF-8 text: {error}") from None


def _parsed_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise sd.ArgumentError(f"--at {_short(what)}: not JSON: {error}") from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        constant = sd.function(text, [])
    if len(constant.outputs) != 1 or constant.ir.outputs[0].type.shape:
        raise sd.ArgumentError(f"--at: {_short(text.strip())} is not one number")
    return float(constant())
