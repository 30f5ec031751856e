"""Kernels: compiled functions that users call."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from symdiff.ir import Leaf
from symdiff.runtime import engine, native, tables
from symdiff.runtime.bound import BoundKernel, bind_memory
from symdiff.runtime.code import Code
from symdiff.runtime.dispatch import Dispatcher
from symdiff.runtime.entry import Module
from symdiff.runtime.once import once
from symdiff.runtime.program import Program
from symdiff.runtime.tables import Table


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
    _table: Table  # where calls go through the entry of arrays

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._program.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(name for name, _ in self._program.arguments)

    @property
    def threads(self) -> int:
        """How many threads may share the work of a call."""
        return self._program.threads

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
        many = self._program.target == engine.HOST and self._program.in_lanes
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
        return self._code.object_code

    @property
    def code_size(self) -> int:
        """Bytes of machine code of what a call runs."""
        return self._code.first().code_size

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
        threads = f", threads={self.threads}" if self.threads > 1 else ""
        return f"<symdiff kernel {self.name}({', '.join(self.parameters)}){threads}>"

    def _repr_html_(self) -> str:
        notebook: Any = import_module("symdiff.runtime.notebook")  # nobody else needs it
        return notebook.table_of(self._program, self.code_size)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at the given arguments.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
            IndexRangeError: an index among the arguments is out of range.
        """
        return self._dispatcher(*args, **kwargs)

    def bind(self, *args: Any, out: Any = None, **kwargs: Any) -> BoundKernel:
        """The kernel tied to these arguments and results: its calls read and write their memory.

        Arrays are read where they lie, at each call; numbers and lists are copied into arrays,
        which `args` of the result has. Results go into `out`, or into arrays made once.

            >>> import numpy as np
            >>> import symdiff as sd
            >>> x = np.array([1.0, 2.0])
            >>> square = sd.compile("x*x", args={"x": "f64"}).bind(x)
            >>> square()
            array([1., 4.])
            >>> x[0] = 3.0
            >>> square() is square.out
            True
            >>> square.out
            array([9., 4.])

        Raises:
            ArgumentError: arguments that do not fit, that would have to be converted or copied,
                or that share memory with the results.
        """
        dispatcher = self._dispatcher
        leaves = dispatcher.leaves(args, kwargs)
        return bind_memory(self._program, self._code, dispatcher, leaves, out)

    def entry(self, fallback: Callable[..., Any], exact: bool = False) -> Callable[..., Any] | None:
        """The machine code for arguments that fit it, as a call that leaves others to `fallback`.

        None where there is none; with `exact`, also where it would take Python's numbers in the
        place of NumPy's integers and float32, for which there may be another kernel. The caller
        keeps a reference to `fallback`.
        """
        program = self._program
        if isinstance(self, PlainKernel):
            return None
        numbers = [p.dtype for p in program.params if not p.shape]
        if exact and not all(d.name in ("float64", "bool") for d in numbers):
            return None
        if program.native:
            return _entry(self._code, self._code.entry(), fallback)
        return _table_entry(program, self._table, fallback)

    def at(self, leaves: list[Any]) -> Any:
        """The outputs at the leaves of the arguments."""
        dispatcher = self._dispatcher
        return (dispatcher.native or dispatcher.spread)(*leaves)


class PlainKernel(Kernel):
    """A kernel that is called through ctypes."""


class Entry:
    """A call that is machine code, of one kernel or for its table."""

    __slots__ = ()


@once
def _entry_type() -> Any:
    return native.vectorcall_type(Entry)


def _entry(owner: Any, address: int, fallback: Callable[..., Any], table: int = 0) -> Any:
    """A call of machine code, which `owner` keeps. The caller keeps `fallback`."""
    entry = object.__new__(_entry_type())
    object.__setattr__(entry, "owner", owner)
    native.attach(entry, address, fallback, table)
    return entry


def _table_entry(program: Program, table: Table, fallback: Callable[..., Any]) -> Any:
    """A call by the table of a kernel."""
    return _entry(table, tables.entry_address(program), fallback, table.address)


@once
def _fast_type() -> type[Kernel]:
    """The type of kernels that CPython calls directly."""
    return native.vectorcall_type(Kernel)


def load(program: Program, kept: Module | None = None) -> Kernel:
    """The kernel of `program`, its machine code generated and loaded.

    `kept` is the module that it begins with, where the disk cache had it.

    Raises:
        CompileError: LLVM fails on the generated code.
        UnsupportedError: an operation cannot be compiled.
    """
    code = Code(program, kept)
    host = program.target == engine.HOST
    own = host and program.native and native.available()
    tabled = host and not own and tables.suits(program)
    flat = all(isinstance(tree, Leaf) for _, tree in program.arguments)
    kernel = object.__new__(_fast_type() if own or (tabled and flat) else PlainKernel)
    dispatcher = Dispatcher(program, code)
    parts: dict[str, Any] = {"_program": program, "_code": code, "_dispatcher": dispatcher}
    if own:
        native.attach(kernel, code.entry(), dispatcher)
    elif tabled:
        table = Table(program, code, dispatcher.fail)
        if flat:
            native.attach(kernel, tables.entry_address(program), dispatcher, table.address)
        # The kernel owns the fallback: with the dispatcher it would be a cycle.
        parts |= {"_table": table, "_spread": dispatcher.spread}
        dispatcher.native = _table_entry(program, table, parts["_spread"])
    elif host:
        _ = code.batch() if program.team is None else code.team()
    else:
        code.first()
    for name, value in parts.items():
        object.__setattr__(kernel, name, value)
    return kernel
