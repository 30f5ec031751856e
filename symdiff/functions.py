"""Functions as users hold them: operations on parameters, which print, transform and compile."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np

from symdiff import autodiff, ir, parser, passes, runtime
from symdiff.arguments import Arguments, TracedArgument, scan
from symdiff.donation import matched
from symdiff.errors import ArgumentError
from symdiff.ops import OPS
from symdiff.passes import OperationCount
from symdiff.runtime import Kernel, Operand, Program, Signature

DTYPES: Final = {"float64": ir.f64, "f64": ir.f64, "float32": ir.f32, "f32": ir.f32}
DEFAULTS: Final[dict[str, Any]] = {
    "dtype": "float64",
    "fastmath": False,
    "target": "host",
    "threads": 1,
    "cache": True,
    "donate": (),
}

if TYPE_CHECKING:
    from symdiff.codegen import Layout, VectorMath


def back_ends():  # pyright infers the module, which no annotation can name
    """The room `symdiff.codegen`, loaded with the first kernel: it is a large one."""
    from symdiff import codegen

    return codegen


class Drawer(Protocol):
    """What draws a function, with numbers where a point is given."""

    def __call__(self, function: Function, at: Any = None) -> Any: ...


def texts():  # as above
    """What writes texts for people, loaded with the first of them."""
    from symdiff.codegen import texts

    return texts


@contextmanager
def collector_paused() -> Generator[None, None, None]:
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

    Attributes:
        text: the text that it was read from; None for other sources.
    """

    text: str | None = None
    # The rooms that draw stand above this one; `symdiff/__init__.py` says which it is.
    drawer: ClassVar[Drawer]

    def __init__(
        self,
        fn: ir.Function | Callable[[], ir.Function],
        primal: Function | None = None,
        stages: dict[str, float] | None = None,
        arguments: Arguments | None = None,
        digest: bytes | None = None,
    ) -> None:
        # The IR; or what derives it, where the cache is known to have the kernel.
        self._made = fn
        self._primal = primal
        self._arguments = arguments  # None where every parameter is a single array or number
        self._digest = digest
        self.stages = {} if stages is None else stages
        self._lock = threading.RLock()
        self._kernel: Kernel | None = None
        self._narrow: Kernel | None = None
        # The machine code for arrays that fit, if there is any, and what it leaves others to.
        self._direct: Callable[..., Any] | None = None
        self._indirect: Callable[..., Any] | None = None
        # The same Python function as one of arrays, and whether arrays are to be taken as such
        # rather than point by point; see `symdiff.api`.
        self.of_arrays: Function | None = None
        self.takes_whole_arrays = False
        self._optimized: ir.Function | None = None

    @property
    def _fn(self) -> ir.Function:
        if not isinstance(self._made, ir.Function):
            with self._lock:
                if not isinstance(self._made, ir.Function):
                    self._made = self._made()
        return self._made

    @property
    def deferred(self) -> bool:
        """Whether the IR is yet to be derived."""
        return not isinstance(self._made, ir.Function)

    @property
    def digest(self) -> bytes | None:
        """What tells this function from others, in every process; None if nothing does."""
        if self._digest is None:
            try:
                structure = repr([(n, ir.encoded_tree(t)) for n, t in self._arguments or ()])
                parts = [ir.fingerprint(self._fn), structure.encode("utf-8", "surrogatepass")]
                self._digest = ir.digest(parts)
            except TypeError:
                return None
        return self._digest

    @property
    def name(self) -> str:
        """The name of the function."""
        return self._fn.name

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        if self._arguments is None:
            return self._fn.param_names
        return tuple(name for name, _ in self._arguments)

    @property
    def primal(self) -> Function | None:
        """The function whose derivative this is, or None."""
        return self._primal

    @property
    def arguments(self) -> Arguments:
        """The parameters with their structures, whose leaves are the parameters in the IR."""
        if self._arguments is None:
            return tuple((name, ir.Leaf(name)) for name in self._fn.param_names)
        return self._arguments

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(leaf.name for leaf in ir.leaves(self._fn.result))

    @property
    def ir(self) -> ir.Function:
        """The function in the intermediate representation, as parsed or transformed."""
        return self._fn

    def specialize(self, *args: Any, **kwargs: Any) -> Function:
        """The function for arguments such as these: itself, since its types are known already.

        For a function of arrays whose shapes are still open (see `symdiff.function`), the one for
        the shapes and dtypes of the given arrays, or for types such as `"f64[8,4]"`.
        """
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at numbers or arrays, see `Kernel`. Inside a traced function: inlined."""
        if self._direct is not None:
            return self._direct(*args, **kwargs)
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        numbers = not kwargs
        for argument in args:
            if type(argument) is not float:
                if isinstance(argument, parser.Tracer):
                    return self._inline(args, kwargs)
                numbers = False
        if kwargs and any(isinstance(a, parser.Tracer) for a in kwargs.values()):
            return self._inline(args, kwargs)
        if self.of_arrays is not None and not numbers:
            given: list[Any] = [*args, *(a for name, a in kwargs.items() if name != "out")]
            kinds = (np.ndarray, list, tuple)
            arrays: list[Any] = [a for a in given if isinstance(a, kinds)]
            if self.takes_whole_arrays and any(getattr(a, "ndim", 1) for a in arrays):
                return self.of_arrays(*args, **kwargs)
            if arrays and all(getattr(a, "dtype", None) == np.float32 for a in arrays):
                return self._in_single_precision()(*args, **kwargs)
        if self._arguments is not None and _traced((*args, *kwargs.values())):
            return self._inline(args, kwargs)
        return (self._kernel or self.kernel)(*args, **kwargs)

    def _in_single_precision(self) -> Kernel:
        """The kernel for float32 arrays, which stay float32 as in NumPy."""
        with self._lock:
            if self._narrow is None:
                self._narrow = compiled(self, {**DEFAULTS, "dtype": "float32"})
            return self._narrow

    def _inline(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = runtime.bind(self.name, self.parameters, args, kwargs)
        operands: list[Any] = []
        for (name, tree), argument in zip(self.arguments, given, strict=True):
            try:
                operands += ir.flatten(tree, argument)
            except ValueError as error:
                raise ArgumentError(f"{self.name}: {name}: {error}") from None
        for operand in operands:
            if isinstance(operand, parser.Tracer) and any(p.type.shape for p in self._fn.params):
                parser.need_shapes(operand.value.graph, f"{self.name} is a function of arrays")
        return ir.build(self._fn.result, iter(parser.call_function(self._fn, operands)))

    @property
    def kernel(self) -> Kernel:
        """The compiled function, made when it is first asked for."""
        with self._lock:
            if self._kernel is None:
                self._kernel = compiled(self, DEFAULTS)
                self._indirect = self._call
                self._direct = self._kernel.entry(self._indirect)
            return self._kernel

    def optimized(self) -> ir.Function:
        """The IR after the passes of `symdiff.passes.PIPELINE`."""
        if self._optimized is None:
            start = time.perf_counter()
            with collector_paused():
                self._optimized = passes.run(passes.PIPELINE, self._fn)
            self.stages["passes"] = time.perf_counter() - start
        return self._optimized

    @collector_paused()
    def formula(self) -> str:
        """The function as text: an expression or a short program, which symdiff reads back.

        Order, types and unused parameters are not in the text; give them as `args`. For people
        only, and a ParseError when read: infinite and NaN constants (`<inf>`, `<nan>`), and
        parameters that text cannot spell (`<x y>`, `<pi>`).
        """
        return texts().formula(self.optimized())

    @collector_paused()
    def assignments(self) -> list[tuple[str, str]]:
        """The function as readable assignments, shared subexpressions named."""
        return texts().assignments(self.optimized())

    @collector_paused()
    def latex(self) -> str:
        """The function as LaTeX."""
        return texts().latex(self.optimized())

    def graph(self, at: Any = None) -> Any:
        """The computation graph, to look at: a `symdiff.view.Drawing`; as text, Graphviz's DOT.

        With a point `at`, the arguments by name or in order, it has the values, and the gradients
        of the outputs by every node. `.svg()`, `.html()` and `.png()` draw it, `.save(path)`
        writes it to a file; a notebook shows it.
        """
        return type(self).drawer(self, at)

    @collector_paused()
    def to_sympy(self) -> Any:
        """The function as a SymPy expression, or as a tuple of them in the result's structure.

        Raises:
            UnsupportedError: SymPy has no counterpart of an operation.
        """
        return texts().to_sympy(passes.simplify(self._fn))

    @collector_paused()
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
            one = len(value.outputs) == 1 and not value.outputs[0].type.shape
            transform = partial(autodiff.gradient, with_value=True) if one else autodiff.vjp
            derived = derivative(transform, primal.ir, wrt, bare=False)
            both = passes.run(passes.PIPELINE, derived)
        else:
            both = value
        place = back_ends().layout(lowered(self.optimized()))
        return Cost(
            passes.count_operations(value), passes.count_operations(both), 8 * place.workspace
        )

    @collector_paused()
    def __str__(self) -> str:
        return ir.print_function(self._fn)

    def __repr__(self) -> str:
        return f"<symdiff function {self.name}({', '.join(self.parameters)})>"

    def _repr_latex_(self) -> str:
        return f"$$\\displaystyle {self.latex()}$$"

    def __reduce__(self) -> tuple[Any, ...]:
        primal = self._primal and str(self._primal)
        arguments = self._arguments
        if arguments is not None:
            arguments = tuple((name, ir.without_factories(tree)) for name, tree in arguments)
        return _read_function, (str(self), primal, arguments)


def _traced(arguments: Sequence[Any]) -> bool:
    """Whether a traced value is among the leaves of the arguments."""
    try:
        for argument in arguments:
            scan(argument, [], [])
    except TracedArgument:
        return True
    except ArgumentError:  # for the kernel, which says more
        return False
    return False


def _read_function(text: str, primal: str | None, arguments: Arguments | None) -> Function:
    """The Function whose printed form is `text`."""
    fn = ir.read_function(text, OPS)
    first = Function(ir.read_function(primal, OPS)) if primal else None
    return Function(fn, primal=first, arguments=arguments)


def derivative(
    transform: Callable[..., ir.Function], fn: ir.Function, wrt: list[int], bare: bool
) -> ir.Function:
    """`fn` in its stable form, transformed; what is added is simplified while it is built."""
    stable = passes.stabilize(fn)
    derived = transform(stable, wrt, bare, rule=passes.simplification)
    if stable is not fn:
        stable.graph.discard()
    return derived


def compiled(whole: Function, options: dict[str, Any]) -> Kernel:
    """The kernel of a Function whose types are known."""
    with collector_paused():
        making = _Making(whole, options)
        start = time.perf_counter()
        key = making.key()
        entry = runtime.cache.recall(runtime.cache.entry_key(key, runtime.cache.FIRST))
        if entry is None or entry.signature is None:
            return runtime.load(making.program(making.signature(), key))
        making.stages["cache"] = time.perf_counter() - start
        signature = entry.signature
        if not whole.deferred:  # it knows the user's own types
            signature = replace(signature, arguments=whole.arguments, result=whole.ir.result)
        return runtime.load(making.program(signature, key), entry.module)


def kernel_key(digest: bytes | None, options: dict[str, Any]) -> bytes | None:
    """What tells the machine code of a function from that of others; None if it is not kept."""
    if digest is None or not options["cache"]:
        return None
    threads = runtime.thread_count(options["threads"])  # how loops are cut depends on it
    chosen: tuple[Any, ...] = (
        DTYPES[options["dtype"]].name,
        bool(options["fastmath"]),
        options["target"],
        threads,
        options["donate"],
    )
    return ir.digest([digest, repr(chosen).encode("utf-8", "surrogatepass")])


class _Making:
    """The stages between a Function and its kernel, each made when it is first asked for."""

    def __init__(self, whole: Function, options: dict[str, Any]) -> None:
        self.whole = whole
        self.options = options
        self.stages = dict(whole.stages)

    def key(self) -> bytes | None:
        """See `kernel_key`."""
        if not self.options["cache"] or not runtime.cache.enabled():
            return None
        return kernel_key(self.whole.digest, self.options)

    @cached_property
    def fn(self) -> ir.Function:
        """The IR after the passes, in the precision and the algebra that were asked for."""
        start = time.perf_counter()
        whole, dtype, fast = self.whole, DTYPES[self.options["dtype"]], self.options["fastmath"]
        with collector_paused():
            if dtype is ir.f64 and not fast:
                made = whole.optimized()
            else:
                made = passes.run(pipeline(dtype, fast), whole.ir)
        self.stages.update(whole.stages)
        self.stages.setdefault("passes", time.perf_counter() - start)
        return made

    @cached_property
    def expanded(self) -> ir.Function:
        """The IR in the operations that every back end has."""
        passes.refuse_gates(self.fn)
        with collector_paused():
            return passes.run(passes.LOWERING, self.fn)

    @cached_property
    def threads(self) -> int:
        """How many may share the work of a call."""
        return runtime.thread_count(self.options["threads"])

    @cached_property
    def donated(self) -> tuple[tuple[int, int], ...]:
        """The outputs that take the memory of parameters, and these."""
        return matched(self.fn, self.whole.arguments, self.options["donate"])

    @cached_property
    def place(self) -> Layout:
        """How the code is laid out."""
        _, start = self.fn, time.perf_counter()
        with collector_paused():
            made = back_ends().layout(lowered(self.fn), self.threads, self.donated)
        self.stages["lowering"] = time.perf_counter() - start
        return made

    def lanes(self) -> int:
        """How many points of a batch are computed at once."""
        groups = self.place.groups(vectors_of(self.options))
        return 1 if groups is None else groups.lanes

    def signature(self) -> Signature:
        """What the runtime has to know besides the code."""
        fn, place, whole, team = self.fn, self.place, self.whole, self.place.team
        names = [leaf.name for leaf in ir.leaves(fn.result)]
        native = place.loops is None and _is_native(whole, fn)
        records = back_ends().named_tuples(fn.result) if native else []
        return Signature(
            name=fn.name,
            symbol=place.symbol,
            params=tuple(_operand(p.attr("name"), p.type) for p in fn.params),
            outputs=tuple(_operand(n, o.type) for n, o in zip(names, fn.outputs, strict=True)),
            arguments=whole.arguments,
            result=fn.result,
            workspace=place.workspace,
            whole=place.plan is not None,
            native=native,
            record_types=tuple(ir.record(r.label, r.fields or ()) for r in records),
            checks=place.checks,
            loops=place.loops is not None,
            in_lanes=place.groups(vectors_of(self.options)) is not None,
            team=None if team is None else (-(-team.workspace // 8), len(team.shares)),
            work=place.work,
            donated=self.donated,
        )

    def program(self, signature: Signature, key: bytes | None) -> Program:
        """What the runtime makes a kernel of."""
        return Program(
            **{f.name: getattr(signature, f.name) for f in fields(Signature)},
            lower=lambda wrappers: _lower(self.place, self.options, wrappers),
            batch_workspace=lambda: self.place.batch_workspace(vectors_of(self.options)),
            support=_support,
            entry=_entry,
            sharing=_sharing if self.threads > 1 else None,
            threads=self.threads,
            texts={
                "ir": lambda: ir.print_function(self.fn),
                "c": lambda: texts().c_source(self.expanded),
                "h": lambda: texts().c_header(self.expanded),
                "numpy": lambda: texts().numpy_source(self.expanded),
                "loops": lambda: back_ends().loop_text(self.place),
                "cost": self.whole.cost,
                "lanes": self.lanes,
            },
            recipe=(compiled, (self.whole, self.options)),
            target=self.options["target"],
            key=key,
            stages=self.stages,
        )


def pipeline(dtype: ir.DType, fastmath: bool) -> tuple[passes.Pass, ...]:
    """The passes that give the IR of a kernel in some precision and algebra."""
    # What is declared as float32 stays so: float64 is the precision of what is not declared.
    narrow = () if dtype is ir.f64 else (partial(passes.as_dtype, dtype=dtype),)
    return (*narrow, *((passes.fast_math,) if fastmath else ()), *passes.PIPELINE)


def lowering(fn: ir.Function) -> tuple[passes.Pass, ...]:
    """The passes from `fn`, which has been optimised, to what machine code is made of."""
    if back_ends().is_long(fn):
        return (passes.group_calls,)
    return (*passes.LOWERING, passes.contract)


def lowered(fn: ir.Function) -> ir.Function:
    """`fn`, which has been optimised, in what machine code is made of."""
    passes.refuse_gates(fn)
    return passes.run(lowering(fn), fn)


def _support() -> str:
    """LLVM text of the helpers that the entries of kernels share."""
    return back_ends().SUPPORT


def _entry() -> str:
    """LLVM text of the entries that kernels share."""
    return back_ends().ENTRY


def _sharing() -> str:
    """LLVM text of that by which threads share work."""
    return back_ends().sharing()


def _lower(place: Layout, options: dict[str, Any], wrappers: Sequence[str]) -> str:
    """The LLVM text of the given wrappers."""
    return back_ends().lower(place, wrappers, options["fastmath"], vectors_of(options))


def vectors_of(options: dict[str, Any]) -> VectorMath:
    """The vectors of the machine that the code is for."""
    if options["target"] != runtime.HOST:
        return back_ends().VectorMath()
    codegen = back_ends()
    machine = codegen.Machine(*runtime.vector_features())
    return codegen.VectorMath(runtime.vector_lanes(), machine, runtime.vector_variants())


def _is_native(whole: Function, fn: ir.Function) -> bool:
    """Whether all that goes in are floating-point numbers, and all that comes out tuples of them.

    `whole` is what `fn` was made from.
    """
    types = [v.type for v in (*fn.params, *fn.outputs)]
    trees = [whole.ir.result, *(tree for _, tree in whole.arguments)]
    plain = all(b.kind == "tuple" and b.factory is None for t in trees for b in ir.branches(t))
    flat = all(isinstance(tree, ir.Leaf) for tree in trees[1:])
    return plain and flat and all(t.dtype.kind == "f" and not t.shape for t in types)


def _operand(name: str, type: ir.Type) -> Operand:
    return Operand(name, type.dtype.numpy, type.shape)
