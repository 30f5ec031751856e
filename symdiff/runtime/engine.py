"""LLVM text to machine code, and machine code into this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from symdiff.errors import CompileError, UnsupportedError
from symdiff.runtime.once import lock, once

HOST: Final = "host"

_names = iter(range(1 << 62))


@once
def binding() -> Any:
    """llvmlite.binding, initialised for this machine; loaded at the first compilation."""
    llvm = import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@once
def target_machine(target: str, quick: bool) -> Any:
    """The code generator for `target` ("host" or a triple); `quick` leaves out optimisation.

    Raises:
        UnsupportedError: LLVM has no such target.
    """
    llvm = binding()
    # Level 0 is linear in the length of the code, which huge kernels need (see docs/adr/0004).
    options = {"opt": 0 if quick else 2, "reloc": "pic", "codemodel": "default"}
    if target == HOST:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        machine = llvm.Target.from_default_triple()
        return machine.create_target_machine(cpu=cpu, features=features, **options)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        return llvm.Target.from_triple(target).create_target_machine(**options)
    except RuntimeError as error:
        raise UnsupportedError(f"unknown target {target!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class Image:
    """Machine code as an object file, not yet loaded."""

    data: bytes
    code_size: int  # bytes of machine code


def assemble(text: str, target: str = HOST, quick: bool = False) -> Image:
    """The object file for LLVM text.

    Raises:
        CompileError: LLVM rejects the text or cannot generate code.
    """
    with lock:
        module = _parsed(text, target, quick)
        data = target_machine(target, quick).emit_object(module)
        return Image(data, _code_size(data))


def assembly(text: str, target: str = HOST, quick: bool = False) -> str:
    """The assembly for LLVM text."""
    with lock:
        return target_machine(target, quick).emit_assembly(_parsed(text, target, quick))


def _parsed(text: str, target: str, quick: bool) -> Any:
    llvm = binding()
    try:
        module = llvm.parse_assembly(text)
    except RuntimeError as error:
        raise CompileError(f"LLVM rejects the generated code: {error}") from None
    module.triple = target_machine(target, quick).triple
    return module


def _code_size(data: bytes) -> int:
    parsed = binding().ObjectFileRef.from_data(data)
    return sum(s.size() for s in parsed.sections() if s.is_text())


@once
def _jit() -> Any:
    return binding().create_lljit_compiler(target_machine(HOST, False))


class Loaded:
    """Machine code in this process. It is freed when this object is: keep it with its addresses."""

    def __init__(self, image: Image, exports: Sequence[str], imports: Mapping[str, int]) -> None:
        llvm = binding()
        with lock:
            builder = llvm.JITLibraryBuilder().add_object_img(image.data).add_current_process()
            for name in exports:
                builder.export_symbol(name)
            for name, address in imports.items():
                builder.import_symbol(name, address)
            try:
                self._tracker = builder.link(_jit(), f"symdiff.{next(_names)}")
            except RuntimeError as error:
                raise CompileError(f"LLVM cannot link the generated code: {error}") from None
            self.addresses = {name: self._tracker[name] for name in exports}
