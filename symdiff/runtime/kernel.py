"""Kernels: compiled functions that users call."""

from __future__ import annotations

from typing import Any

from symdiff.runtime import engine, native
from symdiff.runtime.code import Code
from symdiff.runtime.dispatch import Dispatcher
from symdiff.runtime.once import once
from symdiff.runtime.program import Program


class Kernel:
    """A compiled function: immutable, thread-safe, picklable.

    Call it with numbers or with arrays, by position or by name. Numbers give Python floats. Axes
    before those of a parameter's own shape (all of them where it is a number) broadcast against
    each other as in NumPy, and the results have them too. `out=` takes arrays for the results, in
    their structure.

    Every stage of its making can be read: `ir`, `loop_ir`, `llvm_ir`, `asm`, `c_source`,
    `numpy_source`.
    """

    __slots__ = ()

    # What the instances of the two concrete types have in their dictionaries.
    _program: Program
    _code: Code
    _dispatcher: Dispatcher

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._program.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(name for name, _ in self._program.arguments)

    @property
    def ir(self) -> str:
        """The optimised IR that was compiled."""
        return self._program.texts["ir"]()

    @property
    def loop_ir(self) -> str:
        """The loops that arrays became, before they are written as LLVM.

        Raises:
            UnsupportedError: the function is one of numbers, and has none.
        """
        return self._program.texts["loops"]()

    @property
    def llvm_ir(self) -> str:
        """The LLVM text of the function behind a C signature, and of the loop over a batch."""
        many = self._program.target == engine.HOST and self._program.in_lanes()
        return self._program.lower(("c", "many" if many else "batch"))

    @property
    def asm(self) -> str:
        """The assembly of what `llvm_ir` shows, for the kernel's target."""
        program = self._program
        text = self.llvm_ir
        optimize = program.loops or f"@{program.symbol}.many(" in text
        return engine.assembly(text, program.target, program.whole, optimize)

    @property
    def c_source(self) -> str:
        """The function as self-contained C99 that needs libm alone.

        Raises:
            UnsupportedError: an operation has no counterpart in C.
        """
        return self._program.texts["c"]()

    @property
    def c_header(self) -> str:
        """The declaration of what `c_source` defines, for C and C++."""
        return self._program.texts["h"]()

    @property
    def numpy_source(self) -> str:
        """The function as Python source that needs NumPy alone.

        Raises:
            UnsupportedError: an operation has no counterpart in NumPy.
        """
        return self._program.texts["numpy"]()

    @property
    def object_code(self) -> bytes:
        """An object file for the kernel's target, with the C signature of `c_source`."""
        return self._code.image("c").data

    @property
    def code_size(self) -> int:
        """Bytes of machine code of what a call runs."""
        if self._program.target != engine.HOST:
            wrapper = "c"
        else:
            wrapper = "batch" if isinstance(self, PlainKernel) else "call"
        return self._code.image(wrapper).code_size

    @property
    def stages(self) -> dict[str, float]:
        """Seconds that each stage of the compilation took."""
        return dict(self._program.stages)

    def cost(self) -> Any:
        """The operations that the function takes, see `symdiff.Cost`."""
        return self._program.texts["cost"]()

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"kernels are immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"kernels are immutable: cannot delete {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return self._program.recipe

    def __repr__(self) -> str:
        return f"<symdiff kernel {self.name}({', '.join(self.parameters)})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at the given arguments.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
            IndexRangeError: an index among the arguments is out of range.
        """
        return self._dispatcher(*args, **kwargs)

    def at(self, leaves: list[Any]) -> Any:
        """The outputs at the leaves of the arguments; the list is used up."""
        return self._dispatcher.at(leaves)


class PlainKernel(Kernel):
    """A kernel that is called through ctypes."""


@once
def _fast_type() -> type[Kernel]:
    """The type of kernels that CPython calls directly."""
    return native.vectorcall_type(Kernel)


def load(program: Program) -> Kernel:
    """The kernel of `program`, its machine code generated and loaded.

    Raises:
        CompileError: LLVM fails on the generated code.
        UnsupportedError: an operation cannot be compiled.
    """
    code = Code(program)
    fast = program.native and native.available() and program.target == engine.HOST
    kind = _fast_type() if fast else PlainKernel
    kernel = object.__new__(kind)
    dispatcher = Dispatcher(program, code)
    for name, value in (("_program", program), ("_code", code), ("_dispatcher", dispatcher)):
        object.__setattr__(kernel, name, value)
    if fast:
        native.attach(kernel, code.entry(), dispatcher)
    elif program.target == engine.HOST:
        code.batch()
    else:
        code.image("c")
    return kernel
