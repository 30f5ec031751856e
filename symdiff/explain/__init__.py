"""What the compiler did, and why: every stage of a formula on its way to machine code."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from symdiff import api
from symdiff.errors import ArgumentError
from symdiff.explain.explanation import Explanation
from symdiff.functions import DTYPES, Function
from symdiff.outputs import OUTPUTS, default_output
from symdiff.steps import Wrt

__all__ = ["Explanation", "explain", "explain_function"]


def explain(
    source: api.Source,
    args: api.Args | None = None,
    *,
    output: str | None = None,
    wrt: Wrt | None = None,
    dtype: str = "float64",
    fastmath: bool = False,
    target: str = "host",
) -> Explanation:
    """What the compiler makes of `source`: the IR after every pass, loops, LLVM, assembly, C.

    Which part of the source a line of any of these comes from is known throughout; the page of
    `Explanation.save` shows it. Nothing is taken from the disk cache, or kept there.

    Args:
        source: text, SymPy, a Python function, or a Function. One that is a derivative already is
            explained as it is.
        args: see `symdiff.function`.
        output: "value", "grad", "value_and_grad", "jacobian", "value_and_jacobian" or "hessian";
            by default the value with its gradient, or with its Jacobian where there are several
            results.
        wrt: the parameters to differentiate with respect to; default: all.
        dtype, fastmath, target: see `symdiff.compile`.

    Raises:
        ArgumentError: an option that there is not.
        NeedsShapes: the shapes of the parameters are open; `args` says them.
        UnsupportedError: an operation that cannot be compiled.

        >>> import symdiff as sd
        >>> e = sd.explain("x*sin(y)")
        >>> e.served.both, e.served.derivative
        ({'sincos': 1}, {'mul': 1})
        >>> [stage.name for stage in e.stages if stage.changed]
        ['parse', 'value_and_grad', 'pair_and_schedule']
    """
    if dtype not in DTYPES:
        raise ArgumentError(f'dtype={dtype!r}: expected "float64" or "float32"')
    if output is not None and output not in OUTPUTS:
        raise ArgumentError(f"output={output!r}: expected one of {', '.join(OUTPUTS)}")
    given = api.function(source, args)
    _ = given.ir  # raises where shapes are open
    primal = given.primal or given
    whole = given
    if given.primal is None:
        output = output or default_output(given)
        whole = OUTPUTS[output](given, wrt=wrt)
    elif output is not None or wrt is not None:
        raise ArgumentError(f"output= and wrt= are for sources; {given.name} is a derivative")
    else:
        output = given.name.removeprefix(f"{primal.name}_")
    text = source if not isinstance(source, Function) else None
    options = {"dtype": dtype, "fastmath": fastmath, "target": target}
    return explain_function(primal, whole, output, text, options)


def explain_function(
    primal: Function, whole: Function, output: str, source: Any, options: dict[str, Any]
) -> Explanation:
    """The explanation of `whole`, which is `output` of `primal`.

    `source` is what `primal` was read from, or None where that is not known.
    """
    texts = import_module("symdiff.explain.source")  # loaded when first used, with all back ends
    making = import_module("symdiff.explain.making")
    text = texts.Source("", "") if source is None else texts.source_of(source)
    return making.explanation_of(primal, whole, output, text, options)
