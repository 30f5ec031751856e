"""Where a line of generated text comes from.

A back end that is asked for origins writes them at the end of its lines, ` ; @7.0` for line 7 of
the text that the function was numbered by. LLVM takes them for comments; `debug_info` makes line
tables of them, which LLVM keeps while it optimises and writes into the assembly. Texts for people
have them taken off again by `read_origins`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from symdiff.ir import Location

_MARK: Final = re.compile(r" ; @(\d+)\.(\d+)$")
_DEFINED: Final = re.compile(r"define .*?@([\w.$-]+)\(")
_CALLED: Final = re.compile(r"^\s+(?:%\S+ = )?(?:tail )?call .*?@([\w.$-]+)\(")
_NODE: Final = re.compile(r"^!(\d+) =", re.M)


class Line(NamedTuple):
    """A line of text, and where it comes from, if that is known."""

    text: str
    origin: Location | None


def mark(origin: Location | None) -> str:
    """What follows a line from `origin`."""
    return "" if origin is None else f" ; @{origin[0]}.{origin[1]}"


def read_origins(text: str) -> list[Line]:
    """The lines of `text` without their marks."""
    lines: list[Line] = []
    for line in text.splitlines():
        found = _MARK.search(line)
        if found is None:
            lines.append(Line(line, None))
        else:
            lines.append(Line(line[: found.start()], (int(found[1]), int(found[2]))))
    return lines


def debug_info(text: str) -> str:
    """LLVM text with debug locations in place of marks: line and column of the origin.

    Functions without marks that call none with marks are left as they are: what LLVM inlines of
    them takes the location of the call.
    """
    lines = read_origins(text)
    located = _located_functions(lines)
    count = 1 + max((int(number) for number in _NODE.findall(text)), default=-1)
    file, unit, kind = count, count + 1, count + 2
    nodes = [
        f'!{file} = !DIFile(filename: "ir", directory: "")',
        f"!{unit} = distinct !DICompileUnit(language: DW_LANG_C99, file: !{file}, "
        "isOptimized: true, runtimeVersion: 0, emissionKind: DebugDirectivesOnly)",
        f"!{kind} = !DISubroutineType(types: !{{}})",
        f"!llvm.dbg.cu = !{{!{unit}}}",
        f"!llvm.module.flags = !{{!{count + 3}}}",
        f'!{count + 3} = !{{i32 2, !"Debug Info Version", i32 3}}',
    ]
    count += 4
    result: list[str] = []
    scope: int | None = None
    known: dict[Location, int] = {}
    for line, origin in lines:
        defined = _DEFINED.match(line)
        if defined is not None and defined[1] in located:
            scope, known = count, {}
            nodes.append(
                f'!{scope} = distinct !DISubprogram(name: "{defined[1]}", file: !{file}, '
                f"type: !{kind}, unit: !{unit}, spFlags: DISPFlagDefinition)"
            )
            count += 1
            result.append(f"{line.removesuffix(' {')} !dbg !{scope} {{")
            continue
        if line == "}":
            scope = None
        # Line 0 is none. Without any, an instruction would pass for part of the one before it, and
        # LLVM refuses calls that it may inline.
        place = origin or ((0, 0) if line.startswith("  ") else None)
        if scope is None or place is None:
            result.append(line)
            continue
        if place not in known:
            known[place] = count
            at = f"line: {place[0]}, column: {place[1]}"
            nodes.append(f"!{count} = !DILocation({at}, scope: !{scope})")
            count += 1
        result.append(f"{line}, !dbg !{known[place]}")
    return "\n".join([*result, *nodes]) + "\n"


def _located_functions(lines: Iterable[Line]) -> set[str]:
    """The functions that have marks, or call functions that have."""
    calls: dict[str, set[str]] = {}
    located: set[str] = set()
    name = ""
    for line, origin in lines:
        if (defined := _DEFINED.match(line)) is not None:
            name = defined[1]
        elif origin is not None:
            located.add(name)
        elif (called := _CALLED.match(line)) is not None:
            calls.setdefault(called[1], set()).add(name)
    pending = list(located)
    while pending:
        for caller in calls.get(pending.pop(), set()) - located:
            located.add(caller)
            pending.append(caller)
    return located
