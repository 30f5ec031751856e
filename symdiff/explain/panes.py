"""Generated texts cut into sections, line by line with the place in the IR that they come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from symdiff.codegen.origins import Line, read_origins

# What assembly says to the assembler rather than to the machine.
_DIRECTIVE: Final = re.compile(
    r"\s*\.(?:file|loc|cfi_\w+|globl|p2align|type|size|text|section|ident|addrsig\w*|hidden|set|"
    r"weak|local|comm|att_syntax|intel_syntax|attribute|option|variant_pcs|build_version|"
    r"subsections_via_symbols|private_extern|weak_definition|syntax|eabi_\w+|fpu|cpu|code)\b"
)
_LOC: Final = re.compile(r"\s*\.loc\s+\d+\s+(\d+)\s+(\d+)")
_LABEL: Final = re.compile(r'"?([\w.$]+)"?:')
_NUMBERED: Final = re.compile(r"\.?L(?:tmp|func_begin|func_end|loh)\d+:")
_CONSTANT: Final = re.compile(r"\.?l?_?L?CPI\d+_\d+:")
_COMMENT: Final = re.compile(r"\s*(?:#|//|@) .*$")
_CALL: Final = re.compile(r"\s+(?:callq?|jmpq?|bl|b|tail|call\.uni)\s+_?([A-Za-z]\w*)(?:@PLT)?\s*$")
_VECTOR: Final = re.compile(r"@symdiff\.(\w+?)\.v(\d+)(?:\.f32)?\(|@_ZGV[a-z]N(\d+)v+_(\w+)\(")
_DEFINE: Final = re.compile(r'define .*?@"?([\w.$-]+)"?\(')
_REGISTERS: Final = (("zmm", 64), ("ymm", 32), ("xmm", 16))
_PACKED: Final = re.compile(r"\s+v?\w+?(?:pd|ps)\d*\s")
_LIBRARY: Final = "symdiff."
_MEMORY: Final = frozenset(("malloc", "free", "memset", "memcpy", "memmove"))


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a text: a function, or what stands outside of functions.

    `aside` is what is not about the user's formula: functions of the vector library, constants.
    """

    title: str
    lines: tuple[Line, ...]
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Pane:
    """One of the texts that a page shows beside each other.

    Attributes:
        name: a short name: "loops", "llvm", "asm", "c".
        title: what stands above it.
        note: what a reader should know, or "".
        sections: the text.
    """

    name: str
    title: str
    note: str
    sections: tuple[Section, ...]

    @property
    def lines(self) -> list[Line]:
        """All lines, in order."""
        return [line for section in self.sections for line in section.lines]


def plain_pane(name: str, title: str, text: str, note: str = "") -> Pane:
    """A marked text (`codegen.origins`) as one section."""
    return Pane(name, title, note, (Section("", tuple(read_origins(text))),))


def llvm_pane(text: str, symbol: str) -> Pane:
    """Marked LLVM text, a section for each function."""
    sections: list[Section] = []
    outside: list[Line] = []
    body: list[Line] = []
    name = ""
    for line in read_origins(text):
        found = _DEFINE.match(line.text)
        if found is not None:
            name = found[1]
        if name:
            body.append(line)
        elif line.text:
            outside.append(line)
        if line.text == "}":
            sections.append(_function(name, symbol, body))
            name, body = "", []
    sections.append(Section("declarations", tuple(outside), aside=True))
    note = "As it is generated, before LLVM optimises it."
    return Pane("llvm", "LLVM", note, _asides_last(sections))


def assembly_pane(text: str, symbol: str, note: str = "") -> Pane:
    """Assembly with line tables, a section for each function, without directives."""
    sections: list[Section] = []
    constants: list[Line] = []
    body: list[Line] = []
    name = ""
    origin = None
    target = body
    for line in text.splitlines():
        location = _LOC.match(line)
        if location is not None:
            origin = (int(location[1]), int(location[2])) if location[1] != "0" else None
            continue
        label = _LABEL.match(line)
        if label is not None and _NUMBERED.match(line) is None:
            if _CONSTANT.match(line):
                target = constants
            elif not label[1].startswith((".L", "LBB")):
                if body:
                    sections.append(_function(name, symbol, body))
                name, body, origin = label[1].removeprefix("_"), [], None
                target = body
            elif target is constants:  # tables of jumps, the end of a function
                target = body
        elif label is not None or _DIRECTIVE.match(line) or not _COMMENT.sub("", line).strip():
            continue
        shown = _COMMENT.sub("", line).rstrip().replace("\t", "    ")
        is_label = label is not None
        target.append(Line(shown, None if is_label or target is constants else origin))
    if body:
        sections.append(_function(name, symbol, body))
    if constants:
        sections.append(Section("constants", tuple(constants), aside=True))
    return Pane("asm", "Assembly", note, _asides_last(sections))


def _asides_last(sections: Sequence[Section]) -> tuple[Section, ...]:
    return tuple(sorted(sections, key=lambda section: section.aside))


def _function(name: str, symbol: str, lines: Sequence[Line]) -> Section:
    library = name.startswith(_LIBRARY) and not name.startswith(f"{symbol}.")
    return Section(_title(name, symbol), tuple(lines), aside=library)


def _title(name: str, symbol: str) -> str:
    """What a function is, in words, where its name says so."""
    if name == symbol:
        return f"{name}: one point"
    kind = name.removeprefix(f"{symbol}.").split(".")
    if not name.startswith(f"{symbol}."):
        return f"{name}: vector mathematics" if name.startswith(_LIBRARY) else name
    if kind[0] in ("pack", "unpack"):
        return f"{name}: {'points to lanes' if kind[0] == 'pack' else 'lanes to points'}"
    last = re.sub(r"\d+$", "", kind[-1])
    meaning = {
        "many": "many points, in the lanes of vectors",
        "group": "as many points as there are lanes",
        "batch": "many points, one after the other",
        "body": "the computation",
        "nest": "loops over many points at once" if "wide" in kind else "loops",
        "chunk": "a piece of the computation",
        "loop": "the body of a loop",
        "dgemm": "a matrix product by BLAS",
        "sgemm": "a matrix product by BLAS",
    }.get(last, "")
    return f"{name}: {meaning}" if meaning else name


def library_calls(assembly: Pane, symbol: str) -> dict[str, int]:
    """The functions of C's mathematics that machine code for one point calls, and how often."""
    found: Counter[str] = Counter()
    for section in assembly.sections:
        if section.aside or not is_of_one_point(section, symbol):
            continue
        for line in section.lines:
            called = _CALL.match(line.text)
            if called is not None and called[1] not in _MEMORY and called[1] != symbol:
                found[called[1]] += 1
    return dict(sorted(found.items()))


def is_of_one_point(section: Section, symbol: str) -> bool:
    """Whether a function computes one point, rather than many at once."""
    parts = section.title.partition(":")[0].removeprefix(symbol).split(".")
    return not {"wide", "many", "group", "batch", "pack", "unpack"} & set(parts)


def vector_functions(llvm: Pane) -> dict[str, int]:
    """The functions of vectors that code for many points calls or inlines: name and lanes."""
    found: dict[str, int] = {}
    for section in llvm.sections:
        if not section.aside:
            for line in section.lines:
                for match in _VECTOR.finditer(line.text):
                    found[match[1] or match[4]] = int(match[2] or match[3])
    return dict(sorted(found.items()))


def widths(sections: Iterable[Section]) -> dict[int, int]:
    """How many instructions of x86-64 compute on so many bytes at once, widest first.

    Scalar instructions, which use the same registers, are not counted.
    """
    found: Counter[int] = Counter()
    for section in sections:
        if section.aside:
            continue
        for line in section.lines:
            if _PACKED.match(line.text):
                for register, size in _REGISTERS:
                    if register in line.text:
                        found[size] += 1
                        break
    return dict(sorted(found.items(), reverse=True))
