"""Modules of machine code: from text to memory, and those that all kernels of a process share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from symdiff.errors import CompileError
from symdiff.runtime import cache, elf, engine, memory, native
from symdiff.runtime.engine import Loaded
from symdiff.runtime.entry import Entry, Module
from symdiff.runtime.memory import Mapped
from symdiff.runtime.once import once

Text = Callable[[], str]  # what gives the LLVM text of a module, the same function each time


def with_code(module: Module, files: tuple[bytes, ...], loadable: bool) -> Module:
    """`module` with object files, linked if they are to be loaded here and can be."""
    if loadable and memory.available():
        try:
            return replace(module, linked=elf.link(files))
        except elf.NotLinkable:
            pass
    return replace(module, files=files)


def load_module(
    module: Module, exports: Sequence[str], imports: Mapping[str, int]
) -> Loaded | Mapped:
    """A module in this process.

    Raises:
        CompileError: it needs what this process does not have.
    """
    if module.linked is None:
        return Loaded(module.files, exports, imports)
    if not module.linked.exports.keys() >= set(exports):
        raise CompileError("the machine code is that of something else")
    return Mapped(module.linked, imports)


@once
def shared_file(name: str, text: Text, kept: bool) -> bytes:
    """The object file of a module that all kernels share; on disk, too, if it is `kept`."""
    key = cache.entry_key(b"", f"{name}.o") if kept else None
    entry = cache.recall(key)
    if entry is None:
        image = engine.assemble(text())
        entry = Entry(Module((), image.code_size, (), 0, files=(image.data,)))
        cache.keep(key, entry)
    return entry.module.files[0]


def shared_module(name: str, texts: Mapping[str, Text], kept: bool) -> Module:
    """The module of several such files together, which the machine can load."""
    key = cache.entry_key(b"", name) if kept else None
    entry = cache.recall(key)
    if entry is None:
        files = tuple(shared_file(part, text, kept) for part, text in texts.items())
        entry = Entry(with_code(Module((), 0, (), 0), files, loadable=True))
        cache.keep(key, entry)
    return entry.module


def load_shared(
    name: str,
    texts: Mapping[str, Text],
    kept: bool,
    exports: Sequence[str],
    imports: Mapping[str, int],
) -> Loaded | Mapped:
    """The same in this process; CPython's functions are found by name."""
    module = shared_module(name, texts, kept)
    if module.linked is None:
        imports = {**native.python_symbols(), **imports}
    return load_module(module, exports, imports)
