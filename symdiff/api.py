"""The straight line, written once: source, Function, transformations, kernel."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from symdiff import autodiff, ir, parser
from symdiff.arguments import Spec, describe, typed
from symdiff.errors import ArgumentError, NeedsShapes, UnsupportedError
from symdiff.functions import DTYPES, Cost, Function, collector_paused, compiled
from symdiff.polymorphic import (
    Known,
    Parsed,
    Polymorphic,
    PolymorphicKernel,
    Text,
    documentation,
    is_python,
)
from symdiff.runtime import Kernel, checked_threads
from symdiff.steps import Axes, Derivative, Step, Vmap, Wrt, checked_axes, named_positions

__all__ = [
    "Args", "Cost", "Function", "Source", "compile", "function", "grad", "hessian", "hvp",
    "jacobian", "jvp", "value_and_grad", "value_and_jacobian", "vjp", "vmap",
]  # fmt: skip

Source = Any  # text, a SymPy expression, a Python function, or a Function
Gates = Mapping[str, Any]  # classes with forward and backward, by the names they are called by
Args = Sequence[str] | Mapping[str, Any]  # names, or names with types or structures of types


def function(source: Source, args: Args | None = None, gates: Gates | None = None) -> Function:
    """The Function that `source` denotes. Nothing is differentiated or compiled.

    A source is text, a SymPy expression, a Python function over NumPy, or a Function. `args`
    fixes the order of the parameters and their types: `["x", "y"]`, `{"x": "f64"}`, or
    `{"W": "f64[8,4]", "layers": [{"b": "f64[8]"}]}`. Without it the parameters are in order of
    first appearance (text), sorted by name (SymPy), or as the Python function has them, and their
    types are those of numbers. A source that is one of arrays gets its types from the arguments
    of each call, see `specialize`; for a Function made of one, `args` says these types, by name.
    `gates` are functions of your own that text and SymPy call by these names, see `gate`.

    Raises:
        ParseError: text that is not a formula, or a name that `args` does not have.
        TraceError: a Python function did what tracing cannot follow.
        UnsupportedError: something in the source that symdiff does not have.

        >>> import symdiff as sd
        >>> print(sd.function("x*sin(y)"))
        func @f(%x: f64, %y: f64) {
          %0: f64 = sin %y
          %1: f64 = mul %x, %0
          return %1
        }
    """
    if gates and not isinstance(source, str) and not parser.is_sympy(source):
        raise ArgumentError("gates= is for text and SymPy; in Python call g = sd.gate(G) as g(x)")
    if isinstance(source, Function):
        if args is None:
            return source
        if isinstance(source, Polymorphic) and isinstance(args, Mapping):
            return source.specialize(**{str(name): args[name] for name in args})
        raise ArgumentError("args= is for sources; this Function has its parameters already")
    if isinstance(source, Kernel):
        raise ArgumentError("this is a compiled kernel; transform the Function it came from")
    start = time.perf_counter()
    known = parser.as_gates(gates)
    names = None if args is None else _checked_names(args)
    made = (
        _read_text(source, names, args, known)
        if isinstance(source, str)
        else _read(source, names, args, known)
    )
    if not isinstance(made, Polymorphic):
        made.stages["parse"] = time.perf_counter() - start
    made.__doc__ = documentation(source)
    made.text = source if isinstance(source, str) else None
    return made


def _read_text(
    source: str, names: list[str] | None, args: Args | None, gates: Mapping[str, parser.Gate]
) -> Function:
    """The Function that a text denotes; `names` are those in `args`."""
    types: dict[str, parser.DeclaredType] | None = None
    if isinstance(args, Mapping):
        types = {name: _text_type(name, args[name]) for name in args}
    elif names is not None:
        types = dict.fromkeys(names, ir.F64)
    try:
        with collector_paused():
            return Function(parser.parse_text(source, types, gates=gates))
    except NeedsShapes:
        return Polymorphic(Text(source, types, gates))


def _text_type(name: str, given: Any) -> parser.DeclaredType:
    if isinstance(given, (ir.Type, parser.SymbolicType)):
        return given
    if isinstance(given, str):
        return parser.read_type(given)
    raise ArgumentError(f"args: {name!r}: {given!r} is no type such as 'f64' or 'f64[3]'")


def _read(
    source: Source, names: list[str] | None, args: Args | None, gates: Mapping[str, parser.Gate]
) -> Function:
    """The Function that a SymPy expression or a Python function denotes."""
    types = None if names is None else dict.fromkeys(names, ir.F64)
    if isinstance(args, Mapping):
        names = list(args)
        specs = _declared(source, names, args)
        if not all(isinstance(spec.tree, ir.Leaf) for spec in specs):
            return Parsed(source, tuple(names), gates).concrete(specs)
        types = typed(specs)
    try:
        with collector_paused():
            made = Function(parser.parse(source, types, gates))
    except NeedsShapes as reason:
        if isinstance(args, Mapping):
            raise
        return Polymorphic(Parsed(source, tuple(names or ()), gates), why=str(reason))
    if types is None and is_python(source):
        made.of_arrays = Polymorphic(Parsed(source))
    return made


def _checked_names(args: Args) -> list[str]:
    """The names that `args` gives, in order.

    Raises:
        ArgumentError: one is given twice, or is no name.
    """
    names = [args] if isinstance(args, str) else list(args)
    twice = [name for name, count in Counter(map(repr, names)).items() if count > 1]
    if twice:
        raise ArgumentError(f"args: the parameter {twice[0]} is given twice")
    for name in names:
        if not isinstance(cast("Any", name), str):
            raise ArgumentError(f"args: {name!r} is no name")
    return names


def _declared(source: Source, names: list[str], args: Mapping[str, Any]) -> list[Spec]:
    """The structures and the types that `args` gives for the parameters `names`.

    With structures, the other parameters of the source are added to `names`, as numbers.

    Raises:
        ArgumentError: they are not made of types.
    """
    given = [args[name] for name in names]
    for name, types in zip(names, given, strict=True):
        for leaf in ir.destructure(types, name, lambda part: isinstance(part, ir.Type))[1]:
            if not isinstance(leaf, (str, ir.Type)):
                raise ArgumentError(f"args: {name!r}: {leaf!r} is no type such as 'f64[3]'")
    specs = describe(names, given, written=True)
    if not all(isinstance(spec.tree, ir.Leaf) for spec in specs):
        known = parser.parameter_names(source)
        for name in names:
            if name not in known:
                raise ArgumentError(f"args: {name!r} is none of {', '.join(known)}")
        more = [name for name in known if name not in names]
        names += more
        specs += describe(more, [ir.F64] * len(more))
    return specs


def _transformed(step: Step, source: Source, args: Args | None) -> Function:
    """The source transformed: at once, or as soon as its shapes are known."""
    primal = function(source, args)
    if not isinstance(primal, Polymorphic):
        made = step.apply(primal, [])
        made.text = primal.text
        if isinstance(primal.of_arrays, Polymorphic):
            # A formula maps over arrays, and so does its gradient. But a Jacobian at an array is
            # a matrix, and cotangents have the shapes of what they belong to.
            first = primal.name == primal.of_arrays.name
            made.of_arrays = primal.of_arrays.then(step)
            made.takes_whole_arrays = first and isinstance(step, Derivative) and step.whole
        return made
    wrt = step.wrt if isinstance(step, Derivative) else None
    if wrt is not None and not primal.adds:
        named_positions(primal.name, primal.parameters, wrt)
    return primal.then(step)


def _derived(
    transform: Any,
    suffix: str,
    source: Source | None,
    args: Args | None,
    wrt: Wrt | None,
    seeds: str = "",
) -> Any:
    """The derivative of the source; without one, a decorator."""
    if source is None:
        return partial(_derived, transform, suffix, args=args, wrt=wrt, seeds=seeds)
    return _transformed(Derivative(transform, suffix, wrt, seeds), source, args)


def grad(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """The gradient of a function with one output.

    `wrt` names the parameters: a name, a position or a list of them; default: all. One parameter
    gives a bare result, several a named tuple with their names.

    Raises:
        DifferentiationError: several outputs, or one that is not real.

        >>> import symdiff as sd
        >>> sd.grad("(x + y) * max(y, z)")(1.0, 2.0, 0.0)
        Gradient(x=2.0, y=5.0, z=0.0)
        >>> sd.grad("x**3", wrt="x")(2.0)
        12.0
    """
    return _derived(autodiff.gradient, "grad", source, args, wrt)


def value_and_grad(
    source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None
) -> Any:
    """The value and the gradient, as `(value, gradient)`; see `grad`.

    >>> import symdiff as sd
    >>> sd.value_and_grad("(x + y) * max(y, z)")(1.0, 2.0, 0.0)
    (6.0, Gradient(x=2.0, y=5.0, z=0.0))
    """
    transform = partial(autodiff.gradient, with_value=True)
    return _derived(transform, "value_and_grad", source, args, wrt)


def jacobian(
    source: Source | None = None,
    *,
    wrt: Wrt | None = None,
    args: Args | None = None,
    mode: str = "auto",
    sparse: bool = False,
) -> Any:
    """The derivative of every output with respect to every parameter.

    The result has the structure of the function's result, with what `grad` gives in place of each
    output. `mode` is "reverse" (a sweep per output), "forward" (a sweep per parameter) or "auto".

        >>> import symdiff as sd
        >>> sd.jacobian("r*cos(t), r*sin(t)")(2.0, 0.0)
        (Gradient(r=1.0, t=-0.0), Gradient(r=0.0, t=2.0))
    """
    transform = partial(autodiff.jacobian, mode=_mode(mode, sparse))
    return _derived(transform, "jacobian", source, args, wrt)


def value_and_jacobian(
    source: Source | None = None,
    *,
    wrt: Wrt | None = None,
    args: Args | None = None,
    mode: str = "auto",
    sparse: bool = False,
) -> Any:
    """The value and the Jacobian, as `(value, jacobian)`; see `jacobian`."""
    transform = partial(autodiff.jacobian, mode=_mode(mode, sparse), with_value=True)
    return _derived(transform, "value_and_jacobian", source, args, wrt)


def hessian(
    source: Source | None = None,
    *,
    wrt: Wrt | None = None,
    args: Args | None = None,
    mode: str = "auto",
    sparse: bool = False,
) -> Any:
    """The matrix of second derivatives of a function with one output, a named tuple of rows.

    It is exactly symmetric. `mode` is "forward" (forward over reverse, the default) or "reverse".

        >>> import symdiff as sd
        >>> h = sd.hessian("x**2*y")(3.0, 5.0)
        >>> h.x.x, h.x.y, h.y.x, h.y.y
        (10.0, 6.0, 6.0, 0.0)
    """
    transform = partial(autodiff.hessian, mode=_mode(mode, sparse))
    return _derived(transform, "hessian", source, args, wrt)


def jvp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Value and Jacobian-vector product: the function's parameters, then a tangent for each.

    >>> import symdiff as sd
    >>> sd.jvp("x*y")(3.0, 5.0, 1.0, 0.0)
    (15.0, 5.0)
    """
    return _derived(_jvp, "jvp", source, args, wrt, "d")


def _jvp(fn: ir.Function, wrt: list[int], bare: bool, rule: ir.Rule) -> ir.Function:
    return autodiff.jvp(fn, wrt, rule)


def vjp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Value and vector-Jacobian product: the parameters, then a cotangent for each output.

    >>> import symdiff as sd
    >>> sd.vjp("x*y")(3.0, 5.0, 2.0)
    (15.0, Gradient(x=10.0, y=6.0))
    """
    return _derived(autodiff.vjp, "vjp", source, args, wrt, "bar")


def hvp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Hessian-vector product, without the Hessian: the parameters, then a vector.

    >>> import symdiff as sd
    >>> sd.hvp("x**2*y")(3.0, 5.0, 1.0, 0.0)
    HessianProduct(x=10.0, y=6.0)
    """
    return _derived(autodiff.hvp, "hvp", source, args, wrt, "v")


def vmap(source: Source | None = None, in_axes: Axes = 0, *, args: Args | None = None) -> Any:
    """The function mapped over an axis of its arguments; results have that axis first.

    `in_axes` is the axis, None for arguments that are the same for all, or a tuple or a dict with
    one of these for each parameter (a parameter that a dict leaves out is the same for all). For a
    parameter that is a structure it may be such a structure. How often to map is seen in the
    arguments of each call; `args` are types of the function before it is mapped.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> dots = sd.vmap(lambda a, b: a @ b, in_axes=(0, None))
        >>> dots(np.array([[1.0, 0.0], [2.0, 3.0]]), np.array([5.0, 7.0]))
        array([ 5., 31.])
    """
    if source is None:
        return partial(vmap, in_axes=in_axes, args=args)
    step = Vmap(checked_axes(in_axes))
    if is_python(source) and args is None:
        # Not traced with numbers first: what it is mapped over may be arrays.
        primal = Polymorphic(Parsed(source))
        primal.__doc__ = documentation(source)
        return primal.then(step)
    primal = function(source, args)
    return (primal if isinstance(primal, Polymorphic) else Polymorphic(Known(primal))).then(step)


def _mode(mode: str, sparse: bool) -> str:
    if sparse:
        raise UnsupportedError(
            "sparse=True is not there yet; without it the whole matrix is computed"
        )
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f'mode={mode!r}: expected "auto", "forward" or "reverse"')
    return mode


def compile(
    source: Source | None = None,
    *,
    args: Args | None = None,
    dtype: str = "float64",
    threads: int | str = 1,
    fastmath: bool = False,
    cache: bool = True,
    target: str = "host",
    donate: Wrt | None = None,
) -> Any:
    """A native kernel for exactly the function that `source` denotes.

    For a function whose shapes are still open, the kernel compiles itself for the arguments of
    each call, and keeps the last kernels; `args` says types beforehand.

    Args:
        source: text, SymPy, a Python function, or a Function such as `value_and_grad` gives.
            Without it, a decorator.
        args: see `function`.
        dtype: "float64" or "float32", the precision of every number in the kernel.
        threads: how many threads large batches and long loops may be shared by, or "all" for the
            CPUs that this process may use when it compiles; see docs/threads.md.
        fastmath: allow the algebra of real numbers, which may change rounding.
        cache: keep machine code on disk, and use what is there (docs/cache.md).
        target: "host", or an LLVM triple to generate code for another machine.
        donate: parameters whose arrays the kernel may overwrite: a name, a position or a list of
            them. The part of the result that has the structure and the types of such a parameter
            is written into its arrays, which come back as that part; see docs/calls.md.

    Raises:
        ArgumentError: `donate` names no parameter, or one that nothing in the result replaces.
        UnsupportedError: an option, a target or an operation that cannot be compiled.
        CompileError: LLVM fails on the generated code.

        >>> import symdiff as sd
        >>> g = sd.compile(sd.value_and_grad("x*sin(y)"))
        >>> g(2.0, 0.0)
        (0.0, Gradient(x=0.0, y=2.0))
    """
    options: dict[str, Any] = {
        "dtype": dtype,
        "fastmath": fastmath,
        "target": target,
        "threads": checked_threads(threads),
        "cache": cache,
    }
    if source is None:
        return partial(compile, args=args, donate=donate, **options)
    if str(dtype) not in DTYPES:
        raise ArgumentError(f'dtype={dtype!r}: expected "float64" or "float32"')
    if not isinstance(cast("Any", target), str):
        raise ArgumentError(f'target={target!r}: expected "host" or an LLVM triple')
    whole = function(source, args)
    options["donate"] = _donated(whole, donate)
    if isinstance(whole, Polymorphic):
        return PolymorphicKernel(whole, options)
    return compiled(whole, options)


def _donated(whole: Function, donate: Wrt | None) -> tuple[str, ...]:
    """The names of the donated parameters, in the order of the parameters."""
    if donate is None or (not isinstance(donate, (str, int)) and not donate):
        return ()
    names = whole.parameters
    chosen, _ = named_positions(whole.name, names, donate, "donate")
    return tuple([names[i] for i in sorted(chosen)])
