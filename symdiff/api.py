"""The straight line, written once: source, Function, transformations, kernel."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from symdiff import autodiff, codegen, ir, parser, passes, runtime
from symdiff.errors import ArgumentError, UnsupportedError
from symdiff.ops import OPS
from symdiff.passes import OperationCount
from symdiff.runtime import Kernel, Operand, Program

Source = Any  # text, a SymPy expression, a Python function, or a Function
Args = Sequence[str] | Mapping[str, str | ir.Type]
Wrt = str | int | Sequence[str | int]

_DTYPES: Final = {"float64": ir.f64, "f64": ir.f64, "float32": ir.f32, "f32": ir.f32}


@contextmanager
def _collector_paused() -> Generator[None, None, None]:
    """No cyclic garbage collection inside: graphs are large, alive, and slow to walk again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Cost:
    """The operations of one evaluation, by kind and in total.

    Attributes:
        value: the function alone.
        value_and_grad: the function and its derivatives with respect to all parameters.
        workspace_bytes: scratch memory of the compiled function.
    """

    value: OperationCount
    value_and_grad: OperationCount
    workspace_bytes: int

    @property
    def ratio(self) -> float:
        """How many times the work of the value it takes to have the gradient too."""
        return self.value_and_grad.total / max(1, self.value.total)


class Function:
    """A formula as symdiff sees it: parameters, outputs, and the operations between them.

    Made by `symdiff.function` and by the transformations. Printing it shows its IR. Calling it
    compiles it at the first call. `stages` has the seconds that each stage took so far.

        >>> import symdiff as sd
        >>> f = sd.function("x*sin(y)")
        >>> f(2.0, 0.5)
        0.958851077208406
        >>> f.parameters
        ('x', 'y')
    """

    def __init__(
        self,
        fn: ir.Function,
        primal: Function | None = None,
        stages: dict[str, float] | None = None,
    ) -> None:
        self._fn = fn
        self._primal = primal
        self.stages = stages or {}
        self._lock = threading.Lock()
        self._kernel: Kernel | None = None
        self._optimized: ir.Function | None = None

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._fn.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return self._fn.param_names

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(leaf.name for leaf in ir.leaves(self._fn.result))

    @property
    def ir(self) -> ir.Function:
        """The function in the intermediate representation, as parsed or transformed."""
        return self._fn

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at numbers or arrays, see `Kernel`. Inside a traced function: inlined."""
        for argument in args:
            if type(argument) is not float and isinstance(argument, parser.Tracer):
                return self._inline(args, kwargs)
        if kwargs and any(isinstance(a, parser.Tracer) for a in kwargs.values()):
            return self._inline(args, kwargs)
        return (self._kernel or self.kernel)(*args, **kwargs)

    def _inline(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = dict(zip(self.parameters, args, strict=False)) | kwargs
        if len(given) != len(args) + len(kwargs) or set(given) != set(self.parameters):
            raise ArgumentError(f"{self.name} takes {', '.join(self.parameters)}")
        operands = [given[name] for name in self.parameters]
        return ir.build(self._fn.result, iter(parser.call_function(self._fn, operands)))

    @property
    def kernel(self) -> Kernel:
        """The compiled function, made when it is first asked for."""
        with self._lock:
            made = self._kernel or compile(self)
            self._kernel = made
            return made

    def optimized(self) -> ir.Function:
        """The IR after the passes of `symdiff.passes.PIPELINE`."""
        if self._optimized is None:
            start = time.perf_counter()
            with _collector_paused():
                self._optimized = passes.run(passes.PIPELINE, self._fn)
            self.stages["passes"] = time.perf_counter() - start
        return self._optimized

    @_collector_paused()
    def formula(self) -> str:
        """The function as text: an expression or a short program, which symdiff reads back.

        Order, types and unused parameters are not in the text; give them as `args`. For people
        only, and a ParseError when read: infinite and NaN constants (`<inf>`, `<nan>`), and
        parameters that text cannot spell (`<x y>`, `<pi>`).
        """
        return codegen.formula(self.optimized())

    @_collector_paused()
    def assignments(self) -> list[tuple[str, str]]:
        """The function as readable assignments, shared subexpressions named."""
        return codegen.assignments(self.optimized())

    @_collector_paused()
    def latex(self) -> str:
        """The function as LaTeX."""
        return codegen.latex(self.optimized())

    @_collector_paused()
    def graph(self) -> str:
        """The computation graph in Graphviz's DOT language."""
        return codegen.dot(self.optimized())

    @_collector_paused()
    def to_sympy(self) -> Any:
        """The function as a SymPy expression, or as a tuple of them in the result's structure.

        Raises:
            UnsupportedError: SymPy has no counterpart of an operation.
        """
        return codegen.to_sympy(passes.simplify(self._fn))

    @_collector_paused()
    def cost(self) -> Cost:
        """The operations that value, and value and gradient, take.

        >>> import symdiff as sd
        >>> cost = sd.function("sin(x*y)").cost()
        >>> cost.value.total, cost.value_and_grad.total
        (2, 4)
        """
        primal = self._primal or self
        value = primal.optimized()
        wrt = [i for i, p in enumerate(primal.ir.params) if p.type.dtype.kind == "f"]
        if self.name == f"{primal.name}_value_and_grad" and len(self.outputs) == len(wrt) + 1:
            both = self.optimized()
        elif wrt and all(o.type.dtype.kind == "f" for o in value.outputs):
            one = len(value.outputs) == 1
            transform = partial(autodiff.gradient, with_value=True) if one else autodiff.vjp
            derived = _derivative(transform, primal.ir, wrt, bare=False)
            both = passes.run(passes.PIPELINE, derived)
        else:
            both = value
        lowered = passes.run(passes.LOWERING, self.optimized())
        return Cost(
            passes.count_operations(value),
            passes.count_operations(both),
            8 * codegen.layout(lowered).workspace,
        )

    @_collector_paused()
    def __str__(self) -> str:
        return ir.print_function(self._fn)

    def __repr__(self) -> str:
        return f"<symdiff function {self.name}({', '.join(self.parameters)})>"

    def _repr_latex_(self) -> str:
        return f"$$\\displaystyle {self.latex()}$$"

    def __reduce__(self) -> tuple[Any, ...]:
        primal = self._primal and str(self._primal)
        return _read_function, (str(self), primal)


def _read_function(text: str, primal: str | None) -> Function:
    """The Function whose printed form is `text`."""
    fn = ir.read_function(text, OPS)
    return Function(fn, primal=Function(ir.read_function(primal, OPS)) if primal else None)


def function(source: Source, args: Args | None = None) -> Function:
    """The Function that `source` denotes. Nothing is differentiated or compiled.

    A source is text, a SymPy expression, a Python function over NumPy, or a Function. `args`
    fixes the order of the parameters and their types: `["x", "y"]` or `{"x": "f64"}`. Without it
    they are in order of first appearance (text), sorted by name (SymPy), or as the Python
    function has them.

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
    if isinstance(source, Function):
        if args is not None:
            raise ArgumentError("args= is for sources; this Function has its parameters already")
        return source
    if isinstance(source, Kernel):
        raise ArgumentError("this is a compiled kernel; transform the Function it came from")
    start = time.perf_counter()
    with _collector_paused():
        fn = parser.parse(source, None if args is None else _types(args))
    made = Function(fn, stages={"parse": time.perf_counter() - start})
    if callable(source):
        made.__doc__ = source.__doc__
    return made


def _types(args: Args) -> dict[str, ir.Type]:
    """Parameter names and types in order.

    Raises:
        ArgumentError: a name is given twice.
    """
    if isinstance(args, Mapping):
        types = {n: ir.parse_type(t) if isinstance(t, str) else t for n, t in args.items()}
    else:
        names = [args] if isinstance(args, str) else list(args)
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ArgumentError(f"args: the parameter {twice[0]!r} is given twice")
        types = dict.fromkeys(names, ir.F64)
    for name, type in types.items():
        if not isinstance(cast("Any", name), str) or not isinstance(cast("Any", type), ir.Type):
            raise ArgumentError(f"args: {name!r}: {type!r} is no name with a type such as 'f64'")
    return types


def _positions(fn: ir.Function, wrt: Wrt | None) -> tuple[list[int], bool]:
    """Positions of the parameters that `wrt` means, and whether the result is bare.

    Raises:
        ArgumentError: no such parameter.
    """
    names = fn.param_names
    if wrt is None:
        chosen = [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]
        if not chosen:
            raise ArgumentError(f"{fn.name} has no parameter to differentiate with respect to")
        return chosen, len(names) == 1
    single = isinstance(wrt, (str, int))
    position = {name: i for i, name in enumerate(names)}
    if not isinstance(cast("Any", wrt), (str, int, Sequence)):
        raise ArgumentError(f"wrt={wrt!r}: name a parameter, give its position, or a list of them")
    wanted = [wrt] if isinstance(wrt, (str, int)) else list(wrt)
    chosen = [_position(fn.name, position, w) for w in wanted]
    if len(set(chosen)) != len(chosen) or not chosen:
        raise ArgumentError(f"wrt={wrt!r}: name each parameter once")
    return chosen, single or len(names) == 1


def _position(name: str, position: dict[str, int], which: Any) -> int:
    if isinstance(which, str) and which in position:
        return position[which]
    if isinstance(which, int) and -len(position) <= which < len(position):
        return which % len(position)
    shown = ", ".join(list(position)[:20])
    raise ArgumentError(f"wrt={which!r}: {name} has the parameters {shown}")


def _transformation(
    transform: Callable[..., ir.Function],
    source: Source | None,
    args: Args | None,
    wrt: Wrt | None,
) -> Any:
    """The transformed source; without one, a decorator."""
    if source is None:
        return partial(_transformation, transform, args=args, wrt=wrt)
    primal = function(source, args)
    positions, bare = _positions(primal.ir, wrt)
    start = time.perf_counter()
    with _collector_paused():
        fn = _derivative(transform, primal.ir, positions, bare)
    stages = dict(primal.stages)
    stages["autodiff"] = stages.get("autodiff", 0.0) + time.perf_counter() - start
    derived = Function(fn, primal=primal, stages=stages)
    derived.__doc__ = primal.__doc__
    return derived


def _derivative(
    transform: Callable[..., ir.Function], fn: ir.Function, wrt: list[int], bare: bool
) -> ir.Function:
    """`fn` in its stable form, transformed; what is added is simplified while it is built."""
    return transform(passes.stabilize(fn), wrt, bare, rule=passes.simplification)


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
    return _transformation(autodiff.gradient, source, args, wrt)


def value_and_grad(
    source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None
) -> Any:
    """The value and the gradient, as `(value, gradient)`; see `grad`.

    >>> import symdiff as sd
    >>> sd.value_and_grad("(x + y) * max(y, z)")(1.0, 2.0, 0.0)
    (6.0, Gradient(x=2.0, y=5.0, z=0.0))
    """
    return _transformation(partial(autodiff.gradient, with_value=True), source, args, wrt)


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
    return _transformation(partial(autodiff.jacobian, mode=_mode(mode, sparse)), source, args, wrt)


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
    return _transformation(transform, source, args, wrt)


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
    return _transformation(partial(autodiff.hessian, mode=_mode(mode, sparse)), source, args, wrt)


def jvp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Value and Jacobian-vector product: the function's parameters, then a tangent for each.

    >>> import symdiff as sd
    >>> sd.jvp("x*y")(3.0, 5.0, 1.0, 0.0)
    (15.0, 5.0)
    """
    return _transformation(_jvp, source, args, wrt)


def _jvp(fn: ir.Function, wrt: list[int], bare: bool, rule: ir.Rule) -> ir.Function:
    return autodiff.jvp(fn, wrt, rule)


def vjp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Value and vector-Jacobian product: the parameters, then a cotangent for each output.

    >>> import symdiff as sd
    >>> sd.vjp("x*y")(3.0, 5.0, 2.0)
    (15.0, Gradient(x=10.0, y=6.0))
    """
    return _transformation(autodiff.vjp, source, args, wrt)


def hvp(source: Source | None = None, *, wrt: Wrt | None = None, args: Args | None = None) -> Any:
    """Hessian-vector product, without the Hessian: the parameters, then a vector.

    >>> import symdiff as sd
    >>> sd.hvp("x**2*y")(3.0, 5.0, 1.0, 0.0)
    HessianProduct(x=10.0, y=6.0)
    """
    return _transformation(autodiff.hvp, source, args, wrt)


def _mode(mode: str, sparse: bool) -> str:
    if sparse:
        raise UnsupportedError("sparse=True arrives with array functions")
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
) -> Any:
    """A native kernel for exactly the function that `source` denotes.

    Args:
        source: text, SymPy, a Python function, or a Function such as `value_and_grad` gives.
            Without it, a decorator.
        args: see `function`.
        dtype: "float64" or "float32", the precision of every number in the kernel.
        threads: 1; more arrive in a later release.
        fastmath: allow the algebra of real numbers, which may change rounding.
        cache: keep and use machine code on disk, once symdiff has a cache.
        target: "host", or an LLVM triple to generate code for another machine.

    Raises:
        UnsupportedError: an option or an operation that cannot be compiled.
        CompileError: LLVM fails on the generated code.

        >>> import symdiff as sd
        >>> g = sd.compile(sd.value_and_grad("x*sin(y)"))
        >>> g(2.0, 0.0)
        (0.0, Gradient(x=0.0, y=2.0))
    """
    options: dict[str, Any] = {"dtype": dtype, "fastmath": fastmath, "target": target}
    if source is None:
        return partial(compile, args=args, threads=threads, cache=cache, **options)
    if str(dtype) not in _DTYPES:
        raise ArgumentError(f'dtype={dtype!r}: expected "float64" or "float32"')
    if not isinstance(cast("Any", target), str):
        raise ArgumentError(f'target={target!r}: expected "host" or an LLVM triple')
    if threads != 1:
        raise UnsupportedError(f"threads={threads!r}: kernels run on one thread so far")
    whole = function(source, args)
    with _collector_paused():
        return runtime.load(_program(whole, _prepared(whole, options), options))


def _prepared(whole: Function, options: dict[str, Any]) -> ir.Function:
    """The IR of `whole` after the passes, in the precision and the algebra that were asked for."""
    dtype, fastmath = _DTYPES[options["dtype"]], options["fastmath"]
    if dtype is ir.f64 and not fastmath:
        return whole.optimized()
    pipeline = (passes.fast_math, *passes.PIPELINE) if fastmath else passes.PIPELINE
    return passes.run(pipeline, passes.as_dtype(whole.ir, dtype))


def _program(whole: Function, fn: ir.Function, options: dict[str, Any]) -> Program:
    """What the runtime needs to make a kernel of `fn`, the optimised form of `whole`."""
    stages = dict(whole.stages)
    start = time.perf_counter()
    lowered = passes.run(passes.LOWERING, fn)
    contracted = passes.contract(lowered)
    stages["lowering"] = time.perf_counter() - start
    place = codegen.layout(contracted)
    floats = all(v.type.dtype.kind == "f" for v in (*fn.params, *fn.outputs))
    names = [leaf.name for leaf in ir.leaves(fn.result)]
    records = codegen.named_tuples(fn.result)
    return Program(
        name=fn.name,
        symbol=place.symbol,
        params=tuple(Operand(p.attr("name"), p.type.dtype.numpy) for p in fn.params),
        outputs=tuple(
            Operand(n, o.type.dtype.numpy) for n, o in zip(names, fn.outputs, strict=True)
        ),
        result=fn.result,
        lower=lambda wrappers: codegen.lower(place, wrappers, options["fastmath"]),
        workspace=place.workspace,
        whole=place.plan is not None,
        native=floats,
        record_types=tuple(ir.record(r.label, r.fields or ()) for r in records),
        support=codegen.SUPPORT,
        texts={
            "ir": lambda: ir.print_function(fn),
            "c": lambda: codegen.c_source(lowered),
            "h": lambda: codegen.c_header(lowered),
            "numpy": lambda: codegen.numpy_source(lowered),
            "cost": whole.cost,
        },
        recipe=(_compile_again, (whole, options)),
        target=options["target"],
        stages=stages,
    )


def _compile_again(whole: Function, options: dict[str, Any]) -> Kernel:
    return compile(whole, **options)
