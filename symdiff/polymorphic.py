"""Functions of arrays whose shapes are still open: specialised when they are called."""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar, cast

from symdiff import ir, parser, runtime
from symdiff.arguments import Arguments, Spec, TracedArgument, describe, scan, typed
from symdiff.errors import ArgumentError, NeedsShapes, ShapeError
from symdiff.functions import DEFAULTS, Function, collector_paused, compiled
from symdiff.runtime import BoundKernel, Kernel
from symdiff.steps import Step, Vmap

CACHE_SIZE: Final = 64  # specialisations that a function, or a kernel, keeps

T = TypeVar("T")


class Recent(Generic[T]):
    """The entries used last, as many as `size`. Thread-safe."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._entries: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """The entry for `key`, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: Hashable, entry: T) -> T:
        """The entry for `key`: `entry`, or the one that another thread was first to put."""
        with self._lock:
            found = self._entries.setdefault(key, entry)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
            return found

    def latest(self) -> T | None:
        """The entry that was used last."""
        with self._lock:
            return next(reversed(self._entries.values()), None)

    def __len__(self) -> int:
        return len(self._entries)


# Where functions come from.


class Origin(Protocol):
    """What can be made into a Function once the types of the arguments are known."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> tuple[str, ...]: ...

    def core(self, specs: list[Spec]) -> list[Spec]:
        """The arguments without axes over which the function is mapped."""
        ...

    def concrete(self, specs: list[Spec]) -> Function:
        """The Function of arguments such as `specs`."""
        ...


@dataclass(frozen=True)
class Parsed:
    """A SymPy expression or a Python function.

    Attributes:
        source: what `symdiff.parser` reads.
        order: the parameters in the order that `args=` asks for; () for the source's own.
        gates: functions of the user's own that SymPy calls.
    """

    source: Any
    order: tuple[str, ...] = ()
    gates: Mapping[str, parser.Gate] | None = None

    @property
    def name(self) -> str:
        """The name of a Python function; "f" for what has none."""
        name = getattr(self.source, "__name__", "f")
        return name if isinstance(name, str) and name.isidentifier() else "f"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.order or tuple(parser.parameter_names(self.source))

    def core(self, specs: list[Spec]) -> list[Spec]:
        """The arguments, all axes of which are the parameters' own."""
        return specs

    def concrete(self, specs: list[Spec]) -> Function:
        """The source, read with the types of `specs`."""
        arguments = tuple((n, s.tree) for n, s in zip(self.parameters, specs, strict=True))
        structured = not all(isinstance(tree, ir.Leaf) for _, tree in arguments)
        source = self.source
        if structured:
            if not is_python(source):
                _refuse_structures(self.name, arguments)
            source = _of_leaves(source, arguments, inspect.signature(source).parameters)
        with collector_paused():
            fn = parser.parse(source, typed(specs), self.gates)
        made = Function(fn, arguments=arguments if structured else None)
        made.__doc__ = documentation(self.source)
        return made


def is_python(source: Any) -> bool:
    """Whether `source` is a Python function."""
    return (
        callable(source)
        and not isinstance(source, (Function, Kernel))
        and not parser.is_sympy(source)
    )


def documentation(source: Any) -> str | None:
    """The docstring of a Python function; None for other sources."""
    return source.__doc__ if is_python(source) else None


def _refuse_structures(name: str, arguments: Arguments) -> None:
    for parameter, tree in arguments:
        if not isinstance(tree, ir.Leaf):
            raise ArgumentError(f"{name}: {parameter} is one array or number, not several in one")


@dataclass(frozen=True)
class Text:
    """A formula, a program or a `def`, with the types that `args=` declares for it, and gates."""

    source: str
    args: Mapping[str, parser.DeclaredType] | None = None
    gates: Mapping[str, parser.Gate] | None = None

    @property
    def name(self) -> str:
        """The name of a `def`; "f" for what has none."""
        return parser.text_name(self.source)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parser.parameter_names(self.source, self.args))

    def core(self, specs: list[Spec]) -> list[Spec]:
        """The arguments without the axes before those that are declared, in declared precision."""
        declared = parser.declared_types(self.source, self.args)
        if declared is None:
            return specs
        core: list[Spec] = []
        for spec, type in zip(specs, declared.values(), strict=True):
            rank = len(type.shape)
            own = [
                t.shape[len(t.shape) - rank :] if len(t.shape) > rank else t.shape
                for t in spec.types
            ]
            core.append(Spec(spec.tree, tuple([ir.Type(type.dtype, shape) for shape in own])))
        return core

    def concrete(self, specs: list[Spec]) -> Function:
        """The text, read with the types of `specs`."""
        names = self.parameters
        arguments = tuple((n, s.tree) for n, s in zip(names, specs, strict=True))
        _refuse_structures(self.name, arguments)
        types = typed(self.core(specs))
        declared = parser.declared_types(self.source, self.args) is not None
        with collector_paused():
            fn = parser.parse_text(
                self.source,
                self.args if declared else types,
                shapes=types if declared else None,
                gates=self.gates,
            )
        return Function(fn)


def _of_leaves(
    function: Callable[..., Any], arguments: Arguments, order: Mapping[str, Any]
) -> Callable[..., Any]:
    """`function` with a parameter for every leaf of its structured ones."""
    names = [leaf.name for _, tree in arguments for leaf in ir.leaves(tree)]

    @wraps(function)
    def call(*leaves: Any) -> Any:
        values = iter(leaves)
        given = {name: ir.build(tree, values) for name, tree in arguments}
        return function(*[given[name] for name in order])

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    cast("Any", call).__signature__ = signature
    return call


@dataclass(frozen=True)
class Known:
    """A Function, to be transformed in a way that depends on the arguments of the call."""

    function: Function

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.function.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.function.parameters

    def core(self, specs: list[Spec]) -> list[Spec]:
        """The arguments."""
        return specs

    def concrete(self, specs: list[Spec]) -> Function:
        """The function itself.

        Raises:
            ShapeError: `specs` are not the shapes of its parameters.
        """
        declared = {p.attr("name"): p.type for p in self.function.ir.params}
        for (name, tree), spec in zip(self.function.arguments, specs, strict=True):
            leaves = ir.leaves(tree)
            if len(leaves) != len(spec.types):
                raise ShapeError(f"{self.name}: {name} does not have the declared structure")
            for leaf, type in zip(leaves, spec.types, strict=True):
                if declared[leaf.name].shape != type.shape:
                    raise ShapeError(
                        f"{self.name}: {leaf.name} is declared as {declared[leaf.name]}, got {type}"
                    )
        return self.function


# Functions and kernels.


class Polymorphic(Function):
    """A function of arrays, or of structures of them, whose shapes come from its arguments.

    It is specialised for the structure, shapes and dtypes of the arguments of each call; the last
    `CACHE_SIZE` specialisations are kept. What depends on the shapes, such as the IR, is seen
    after `specialize`, or with `args=` in `symdiff.function`.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> f = sd.function(lambda x: np.sum(x**2))
        >>> f(np.array([1.0, 2.0])), f(np.array([1.0, 2.0, 3.0]))
        (5.0, 14.0)
        >>> sd.grad(f).specialize("f64[3]").ir.outputs[0].type.shape
        (3,)
    """

    def __init__(self, origin: Origin, steps: tuple[Step, ...] = (), why: str = "") -> None:
        self._origin = origin
        self._steps = steps
        self._why = why
        self.adds = any(step.adds for step in steps)
        self._names = origin.parameters
        self._name = "_".join([origin.name, *(step.suffix for step in steps)])
        self._functions: Recent[Function] = Recent()
        self._kernels = PolymorphicKernel(self, DEFAULTS)
        self.stages = {}

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the source; tangents and cotangents, if any, come after these."""
        return self._names

    @property
    def kernel(self) -> Kernel:
        """The kernel that specialises itself for its arguments."""
        return self._kernels

    def then(self, step: Step) -> Polymorphic:
        """The function transformed once more, as soon as its shapes are known."""
        made = Polymorphic(self._origin, (*self._steps, step), self._why)
        made.__doc__ = self.__doc__
        made.text = self.text
        return made

    def specialize(self, *args: Any, **kwargs: Any) -> Function:
        """The function for arguments such as these: arrays, or types such as `"f64[8,4]"`.

        Raises:
            ArgumentError: the arguments do not fit the parameters.
            ShapeError: the shapes do not fit each other.
        """
        given = self.own(args, kwargs)
        return self.specialized(describe(self._names, given, written=True))

    def specialized(self, specs: list[Spec]) -> Function:
        """The function for arguments such as `specs`; the same one each time, while it is kept."""
        if not any(isinstance(step, Vmap) for step in self._steps):
            specs = self._origin.core(specs)
        key = tuple(specs)
        found = self._functions.get(key)
        if found is not None:
            return found
        levels: list[list[Spec]] = []
        for i, step in reversed(list(enumerate(self._steps))):
            levels.append(specs)
            more = any(before.adds for before in self._steps[:i])
            specs = step.inner(self._names, specs, more)
        made = self._origin.concrete(specs)
        for step, given in zip(self._steps, reversed(levels), strict=True):
            made = step.apply(made, given)
        made.text = self.text
        return self._functions.put(key, made)

    def own(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments for the parameters of the source, in order.

        Raises:
            ArgumentError: wrong, missing or unknown arguments.
        """
        if self.adds:
            args = args[: len(self._names)]
            kwargs = {name: value for name, value in kwargs.items() if name in self._names}
        return runtime.bind(self.name, self._names, args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at arrays, structures of them, and numbers; see `Kernel`."""
        try:
            return self._kernels.call(*args, **kwargs)
        except TracedArgument as traced:
            parser.need_shapes(traced.graph, f"{self.name} is a function of arrays")
            return self.specialize(*args, **kwargs)(*args, **kwargs)

    def optimized(self) -> ir.Function:
        """There is none: the operations depend on the shapes."""
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name in ("_fn", "_arguments", "_primal"):
            self._refuse()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _refuse(self) -> NoReturn:
        raise NeedsShapes(
            f"{self.name} depends on the shapes of {', '.join(self._names) or 'its arguments'}: "
            "give args={...} with types such as 'f64[8,4]', or specialize(...) it first"
            + (f". It has no scalar form: {self._why}" if self._why else "")
        )

    def _repr_latex_(self) -> Any:
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return Polymorphic, (self._origin, self._steps, self._why)


def _scanned(names: Sequence[str], arguments: Sequence[Any]) -> tuple[Hashable, list[Any]]:
    """What `scan` finds in the arguments."""
    key: list[Any] = []
    leaves: list[Any] = []
    try:
        for argument in arguments:
            scan(argument, key, leaves)
    except ArgumentError as error:
        wrong = error
    else:
        return tuple(key), leaves
    describe(names, arguments)  # raises the same error, with the name of what is wrong
    raise wrong


class PolymorphicKernel(Kernel):
    """The kernels of a polymorphic function, one for each kind of arguments it is called with.

    What there is to be read (`ir`, `llvm_ir`, `asm`, ...) is that of the kernel used last.
    """

    _function: Polymorphic
    _options: dict[str, Any]
    _other: Callable[..., Any]
    _kept: Recent[Kernel]
    # The kernel used last, and what calls go to: its machine code, which leaves arguments of
    # other types to `_dispatch`, or that itself.
    _latest_call: tuple[Kernel | None, Callable[..., Any]]

    def __init__(self, function: Polymorphic, options: dict[str, Any]) -> None:
        kept: Recent[Kernel] = Recent()
        parts: dict[str, Any] = {"_function": function, "_options": options, "_kept": kept}
        parts["_other"] = self._dispatch
        parts["_latest_call"] = (None, self._dispatch)
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._function.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, see `Polymorphic`."""
        return self._function.parameters

    @property
    def threads(self) -> int:
        """How many threads may share the work of a call."""
        return runtime.thread_count(self._options["threads"])

    def _repr_html_(self) -> Any:
        return None if self._kept.latest() is None else self._latest()._repr_html_()

    @property
    def code_size(self) -> int:
        """Bytes of machine code of the kernel used last."""
        return self._latest().code_size

    def specialize(self, *args: Any, **kwargs: Any) -> Kernel:
        """The kernel for arguments such as these: arrays, or types such as `"f64[8,4]"`."""
        return self._made(self._function.specialize(*args, **kwargs))

    def bind(self, *args: Any, out: Any = None, **kwargs: Any) -> BoundKernel:
        """The kernel for arguments such as these, bound to them; see `Kernel.bind`."""
        kernel, _ = self._chosen(self._function.own(args, kwargs))
        return kernel.bind(*args, out=out, **kwargs)

    def _chosen(self, own: Sequence[Any]) -> tuple[Kernel, list[Any]]:
        """The kernel for arguments such as these, kept for the next ones; and their leaves."""
        names = self._function.parameters
        found, leaves = _scanned(names, own)
        kernel = self._kept.get(found)
        if kernel is None:
            made = self._made(self._function.specialized(describe(names, own)))
            kernel = self._kept.put(found, made)
        return kernel, leaves

    def _made(self, function: Function) -> Kernel:
        return function.kernel if self._options == DEFAULTS else compiled(function, self._options)

    def _latest(self) -> Kernel:
        latest = self._kept.latest()
        if latest is None:
            raise NeedsShapes(
                f"{self.name} has not been called yet, and its code depends on the shapes: call "
                "it, give args={...} with types such as 'f64[8,4]', or specialize(...) it first"
            )
        return latest

    def __getattr__(self, name: str) -> Any:
        if name in ("_program", "_code", "_dispatcher"):
            return getattr(self._latest(), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at the given arguments.

        Raises:
            ArgumentError: wrong, missing or unknown arguments, or not made of real numbers.
            ShapeError: the shapes do not fit the operations.
            IndexRangeError: an index among the arguments is out of range.
        """
        return self.call(*args, **kwargs)

    @property
    def call(self) -> Callable[..., Any]:
        """What takes the next call; as the kernel itself, but with less to do in Python."""
        return self._latest_call[1]

    def _dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs, by the kernel for arguments such as these."""
        function = self._function
        names = function.parameters
        adds = function.adds
        own: Sequence[Any] = args
        if kwargs or adds or len(args) != len(names):
            named = {name: value for name, value in kwargs.items() if name != "out"}
            own = function.own(args, named)
        kernel, leaves = self._chosen(own)
        if kernel is not self._latest_call[0]:
            call = kernel.entry(self._other, exact=True) or self._other
            object.__setattr__(self, "_latest_call", (kernel, call))
        if adds or "out" in kwargs:
            return kernel(*args, **kwargs)
        return kernel.at(leaves)

    def __reduce__(self) -> tuple[Any, ...]:
        return PolymorphicKernel, (self._function, self._options)
