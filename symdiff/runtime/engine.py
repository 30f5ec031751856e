"""LLVM text to machine code, and machine code into this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from symdiff.errors import CompileError, UnsupportedError
from symdiff.runtime.once import lock, once

HOST: Final = "host"
LARGE: Final = 1 << 20  # bytes of an object file

_names = iter(range(1 << 62))


@once
def binding() -> Any:
    """llvmlite.binding, initialised for this machine; loaded at the first compilation."""
    llvm = import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def host_cpu() -> tuple[str, str]:
    """The name and the features of this machine's CPU, as LLVM knows them."""
    llvm = binding()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


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
        cpu, features = host_cpu()
        features += ",-prefer-256-bit"  # LLVM would leave half of AVX-512 unused
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


@once
def vector_lanes() -> int:
    """The doubles that the widest vectors of this machine hold."""
    features: Mapping[str, bool] = binding().get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


@once
def vector_features() -> tuple[bool, bool]:
    """Whether this machine has fused multiply-adds, and AVX-512 with its parts DQ and VL."""
    features: Mapping[str, bool] = binding().get_host_cpu_features()
    fused = features.get("fma", False) or features.get("neon", False)
    return fused, all(features.get(f"avx512{part}") for part in ("f", "dq", "vl"))


@once
def vector_variants() -> tuple[tuple[str, int], ...]:
    """The functions of glibc's libmvec that this machine can run, widest first.

    The letter of the vector function ABI (x86-64) and the number of doubles; none elsewhere.
    """
    llvm = binding()
    if not llvm.get_process_triple().startswith("x86_64") or "linux" not in sys.platform:
        return ()
    try:
        llvm.load_library_permanently("libmvec.so.1")
    except RuntimeError:
        return ()
    features: Mapping[str, bool] = llvm.get_host_cpu_features()
    known = (("e", 8, "avx512f"), ("d", 4, "avx2"), ("b", 2, "sse2"))
    return tuple((letter, lanes) for letter, lanes, feature in known if features.get(feature))


def assemble(text: str, target: str = HOST, quick: bool = False, loops: bool = False) -> Image:
    """The object file for LLVM text; with `loops`, optimised and vectorised first.

    Raises:
        CompileError: LLVM rejects the text.
        UnsupportedError: there are no object files for `target`.
    """
    with lock:
        module = _parsed(text, target, quick, loops)
        try:
            data = target_machine(target, quick).emit_object(module)
        except RuntimeError as error:
            raise UnsupportedError(
                f"LLVM makes no object files for {target!r}: {error}; a kernel for {HOST!r} has "
                "C source for the compiler of that target: kernel.c_source, or --emit c"
            ) from None
        return Image(data, _code_size(data))


def assembly(text: str, target: str = HOST, quick: bool = False, loops: bool = False) -> str:
    """The assembly for LLVM text."""
    with lock:
        return target_machine(target, quick).emit_assembly(_parsed(text, target, quick, loops))


def _parsed(text: str, target: str, quick: bool, loops: bool) -> Any:
    llvm = binding()
    try:
        module = llvm.parse_assembly(text)
    except RuntimeError as error:
        raise CompileError(f"LLVM rejects the generated code: {error}") from None
    machine = target_machine(target, quick)
    module.triple = machine.triple
    if loops:
        module.data_layout = str(machine.target_data)
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        _inline_vector_functions(module, machine, builder)
    return module


def _inline_vector_functions(module: Any, machine: Any, builder: Any) -> None:
    """Inline the vector functions that the vectoriser has put in place of scalar ones.

    They had to be kept until then; what is left of them goes.
    """
    llvm = binding()
    try:
        kept = module.get_global_variable("llvm.compiler.used")
    except NameError:
        return
    kept.name, kept.linkage = "symdiff.variants", "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    called = {f.name.split(".v")[0] for f in module.functions if not f.is_declaration}
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    if {"symdiff.sin", "symdiff.cos"} <= called:
        # The two share most of their work, which a second round of simplification finds.
        builder = llvm.create_pass_builder(
            machine, llvm.create_pipeline_tuning_options(speed_level=1)
        )
        builder.getModulePassManager().run(module, builder)


def _code_size(data: bytes) -> int:
    parsed = binding().ObjectFileRef.from_data(data)
    return sum(s.size() for s in parsed.sections() if s.is_text())


@once
def _jit(large: bool) -> Any:
    """What loads object files. LLVM's older linker is faster, but its sections are mapped one by
    one, and those of large code may come to lie more than 2 GB apart, which ends the process."""
    return binding().create_lljit_compiler(target_machine(HOST, False), use_jit_link=large)


class Loaded:
    """Machine code in this process. It is freed when this object is: keep it with its addresses."""

    def __init__(
        self, files: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, int]
    ) -> None:
        llvm = binding()
        with lock:
            builder = llvm.JITLibraryBuilder().add_current_process()
            for data in files:
                builder.add_object_img(data)
            for name in exports:
                builder.export_symbol(name)
            for name, address in imports.items():
                builder.import_symbol(name, address)
            try:
                jit = _jit(sum(map(len, files)) >= LARGE)
                self._tracker = builder.link(jit, f"symdiff.{next(_names)}")
            except RuntimeError as error:
                raise CompileError(f"LLVM cannot link the generated code: {error}") from None
            self.addresses = {name: self._tracker[name] for name in exports}
