"""Object files linked into one block of memory that runs wherever it is put.

LLVM's own linker needs LLVM in the process, which takes longer to load than everything else
between a formula and its gradient. Here the little of linking that generated code needs is done
when the code is generated: the sections are laid out, what refers from one to the other is
filled in, and what is left are the addresses of functions outside, one slot each. Loading is then
to copy, to write the slots, and to make the memory executable (`symdiff.runtime.memory`).

Known are x86-64 ELF files as LLVM writes them for position-independent code. The layout of such
files and the meaning of the relocations are from the System V ABI and its AMD64 supplement.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_RELOCATION: Final = struct.Struct("<QQq")
_WORD: Final = struct.Struct("<q")
_SHORT: Final = struct.Struct("<i")

_MAGIC: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_RELOCATABLE, _X86_64 = 1, 62
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _REL = 1, 2, 4, 8, 9
_X86_UNWIND: Final = 0x70000001
_WRITE, _ALLOC, _EXEC, _TLS = 1, 2, 4, 0x400
_UNDEFINED, _RESERVED = 0, 0xFF00  # section numbers of symbols
_LOCAL, _WEAK = 0, 2

# Relocations: S is the symbol's address, A the addend, P the place, G the symbol's slot.
_CALL: Final = 4  # PLT32: S + A - P in 4 bytes, where S may be a jump to the symbol
_RELATIVE: Final = (2, _CALL)  # PC32: the same
_SLOT: Final = (9, 41, 42)  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX: G + A - P in 4 bytes
_LONG_RELATIVE: Final = 24  # PC64: S + A - P in 8 bytes

_PAGE: Final = 4096
_JUMP: Final = b"\xff\x25"  # jmp *[rip + 4 bytes]
_STUB: Final = 8  # bytes, of a jump through a slot


class NotLinkable(Exception):  # noqa: N818
    """The object file has something that is not known here."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Machine code and its constants in one block, to be put at the start of a page.

    Attributes:
        memory: the bytes.
        exports: offsets of the functions that other code may call.
        imports: for each function or variable outside, the offset of the 8 bytes for its address.
    """

    memory: bytes
    exports: dict[str, int]
    imports: dict[str, int]


class _Section(NamedTuple):
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


class _Symbol(NamedTuple):
    name: str
    section: int
    value: int
    binding: int


def link(files: Sequence[bytes]) -> Linked:
    """Object files as one block, in which they call each other directly.

    Raises:
        NotLinkable: something is no such file, or needs more than is done here: writable memory,
            thread-local variables, another kind of relocation.
    """
    try:
        return _Linker([_File(data) for data in files]).linked()
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise NotLinkable(f"not an object file: {error}") from None


class _File:
    """An object file, and where its sections are in the block."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sections = self._read_sections()
        self.symbols = self._read_symbols()
        self.places: dict[int, int] = {}

    def _read_sections(self) -> list[_Section]:
        head = _HEADER.unpack_from(self.data)
        ident, kind, machine, start, size, count = *head[:3], head[6], head[11], head[12]
        if not ident.startswith(_MAGIC) or (kind, machine) != (_RELOCATABLE, _X86_64):
            raise NotLinkable("no relocatable x86-64 ELF file")
        if size != _SECTION.size or not count:
            raise NotLinkable("an unusual table of sections")
        table = self.data[start : start + size * count]
        if len(table) != size * count:
            raise NotLinkable("the table of sections is cut off")
        found: list[_Section] = []
        for _, type, flags, _, offset, length, link, info, align, _ in _SECTION.iter_unpack(table):
            if type != _NOBITS and offset + length > len(self.data):
                raise NotLinkable("a section is cut off")
            found.append(_Section(type, flags, offset, length, link, info, align))
        return found

    def content(self, section: _Section) -> bytes:
        return self.data[section.offset : section.offset + section.size]

    def _read_symbols(self) -> list[_Symbol]:
        tables = [s for s in self.sections if s.type == _SYMTAB]
        if len(tables) != 1:
            raise NotLinkable("not one table of symbols")
        names = self.content(self.sections[tables[0].link])
        found: list[_Symbol] = []
        for name, info, _, section, value, _ in _SYMBOL.iter_unpack(self.content(tables[0])):
            text = names[name : names.index(b"\0", name)].decode()
            found.append(_Symbol(text, section, value, info >> 4))
        return found


class _Linker:
    def __init__(self, files: Sequence[_File]) -> None:
        self.files = files
        self.memory = bytearray()
        self.exports: dict[str, int] = {}
        # For each name outside, the 4 bytes that call it, and those that read its address.
        self.calls: dict[str, list[tuple[int, int]]] = {}
        self.reads: dict[str, list[tuple[int, int]]] = {}

    def linked(self) -> Linked:
        """The block."""
        self._lay_out()
        for file in self.files:
            for symbol in file.symbols:
                if symbol.binding != _LOCAL and symbol.section in file.places:
                    self.exports[symbol.name] = file.places[symbol.section] + symbol.value
        for file in self.files:
            for section in file.sections:
                if section.type == _REL:
                    raise NotLinkable("relocations without addends")
                if section.type == _RELA and section.info in file.places:
                    base = file.places[section.info]
                    for offset, info, addend in _RELOCATION.iter_unpack(file.content(section)):
                        number: int = info >> 32
                        symbol = file.symbols[number]
                        target = self._target(file, symbol)
                        self._relocate(info & 0xFFFFFFFF, base + offset, symbol, target, addend)
        imports = self._add_stubs_and_slots()
        return Linked(bytes(self.memory), self.exports, imports)

    def _lay_out(self) -> None:
        """Code first and then constants, each at its alignment; no unwinding tables."""
        for code in (True, False):
            for file in self.files:
                for number, section in enumerate(file.sections):
                    if section.flags & _ALLOC and bool(section.flags & _EXEC) is code:
                        self._place(file, number, section)

    def _place(self, file: _File, number: int, section: _Section) -> None:
        if section.type == _X86_UNWIND:
            return
        # Writable are also constants that hold addresses; generated code has none.
        if section.type != _PROGBITS or section.flags & (_WRITE | _TLS):
            raise NotLinkable("memory of its own")
        alignment = max(1, section.alignment)
        if alignment > _PAGE or alignment & (alignment - 1):
            raise NotLinkable(f"an alignment of {alignment}")
        self.memory += bytes(-len(self.memory) % alignment)
        file.places[number] = len(self.memory)
        self.memory += file.content(section)

    def _target(self, file: _File, symbol: _Symbol) -> int | None:
        """Where a symbol is in the block; None for one outside."""
        if symbol.section in file.places:
            return file.places[symbol.section] + symbol.value
        if symbol.section == _UNDEFINED and symbol.name and symbol.binding != _WEAK:
            return self.exports.get(symbol.name)
        raise NotLinkable(f"the symbol {symbol.name!r}")

    def _relocate(
        self, kind: int, at: int, symbol: _Symbol, target: int | None, addend: int
    ) -> None:
        if target is not None and kind in _RELATIVE:
            _SHORT.pack_into(self.memory, at, target + addend - at)
        elif target is not None and kind == _LONG_RELATIVE:
            _WORD.pack_into(self.memory, at, target + addend - at)
        elif target is None and kind == _CALL:
            self.calls.setdefault(symbol.name, []).append((at, addend))
        elif kind in _SLOT and target is None:
            self.reads.setdefault(symbol.name, []).append((at, addend))
        else:
            raise NotLinkable(f"relocation {kind} to {symbol.name!r}")

    def _add_stubs_and_slots(self) -> dict[str, int]:
        """Where the slots for addresses outside are; they, and jumps through them, come last."""
        memory = self.memory
        memory += bytes(-len(memory) % _STUB)
        stubs = {name: len(memory) + _STUB * i for i, name in enumerate(self.calls)}
        memory += bytes(_STUB * len(stubs))
        outside = dict.fromkeys([*self.calls, *self.reads])
        slots = {name: len(memory) + _WORD.size * i for i, name in enumerate(outside)}
        memory += bytes(_WORD.size * len(slots))
        for name, stub in stubs.items():
            memory[stub : stub + len(_JUMP)] = _JUMP
            end = stub + len(_JUMP) + _SHORT.size
            _SHORT.pack_into(memory, end - _SHORT.size, slots[name] - end)
        for references, places in ((self.calls, stubs), (self.reads, slots)):
            for name, uses in references.items():
                for at, addend in uses:
                    _SHORT.pack_into(memory, at, places[name] + addend - at)
        return slots
