"""symdiff, in the ways in which it can be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

import symdiff as sd
from bench import jacobians
from bench.core import Inputs, Maker, Ready, Way, leaves
from bench.models import MODELS, Model
from bench.workloads import FORMULAS, Formula


def _in_order(inputs: Inputs) -> list[Any]:
    return list(inputs.values())


@dataclass(frozen=True)
class Case:
    """What symdiff is to do.

    Attributes:
        source: the function to be compiled, for these inputs.
        operands: the arguments of the kernel.
        results: see `Ready`.
    """

    source: Callable[[Inputs], Any]
    operands: Callable[[Inputs], list[Any]] = _in_order
    results: Callable[[Any], Any] | None = None


def ways(workload: str) -> dict[str, Way]:
    """symdiff's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        case = Case(lambda _: differentiated(FORMULAS[name]))
        found = {
            "symdiff: kernel": partial(_kernel, case),
            "symdiff: Function": partial(_function, case),
            "symdiff: NumPy source": partial(_numpy_source, case),
        }
        return {label: Way(make, "symdiff") for label, make in found.items()}
    if suite == "batches":
        return _on_arrays(Case(lambda _: differentiated(FORMULAS[name])))
    if name in ("arm", "arms", "reprojection"):
        arrays = Case(lambda _: of_arrays(name), results=_blocks)
        numbers = Case(lambda _: of_numbers(name), _columns, _rows)
        return _on_arrays(numbers, ", numbers") | _on_arrays(arrays, ", arrays")
    return _on_arrays(Case(partial(_model, MODELS[name.removesuffix("_small")])))


def _on_arrays(case: Case, suffix: str = "") -> dict[str, Way]:
    """The ways of calling a kernel of arrays."""
    found: dict[str, Maker] = {
        "symdiff: kernel": partial(_kernel, case),
        "symdiff: out=": partial(_into, case),
        "symdiff: bind": partial(_bound, case),
        "symdiff: bind, fastmath": partial(_bound, case, fastmath=True),
    }
    return {label + suffix: Way(make, "symdiff", parallel=True) for label, make in found.items()}


def differentiated(formula: Formula) -> Any:
    """What is to be compiled for a formula: value and gradient, or price and Greeks."""
    if not formula.greeks:
        return sd.value_and_grad(formula.text)
    price = sd.function(formula.text, list(formula.point))
    first = sd.value_and_grad(price, wrt=["S", "T", "r", "v"])
    second = sd.hessian(price, wrt="S")

    def greeks(S: Any, K: Any, T: Any, r: Any, v: Any) -> Any:
        value, gradient = first(S, K, T, r, v)
        gamma = second(S, K, T, r, v)
        return value, gradient.S, gradient.v, -gradient.T, gradient.r, gamma

    return sd.function(greeks)


def _model(model: Model, inputs: Inputs) -> Any:
    """Value and gradient of a model, its types those of its inputs."""
    types = {
        name: f"{array.dtype}[{','.join(map(str, array.shape))}]" for name, array in inputs.items()
    }
    return sd.value_and_grad(model.source, wrt=list(model.wrt), args=types)


def of_arrays(name: str) -> Any:
    """Value and Jacobian at one point, of small arrays: as a user writes them."""
    if name != "reprojection":
        return sd.value_and_jacobian(
            lambda q: np.stack(jacobians.arm(np, q)), args={"q": f"f64[{jacobians.JOINTS}]"}
        )

    def error(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
        return np.stack(jacobians.reprojection(np, [*camera, *point, weight, *feature]))

    types = {"camera": "f64[11]", "point": "f64[3]", "weight": "f64", "feature": "f64[2]"}
    return sd.value_and_jacobian(error, wrt=["camera", "point", "weight"], args=types)


def of_numbers(name: str) -> Any:
    """The same with a parameter for each number."""
    function, count = (jacobians.reprojection, 17) if name == "reprojection" else (jacobians.arm, 7)
    names = [f"p{i}" for i in range(count)]
    scope: dict[str, Any] = {"function": function, "np": np}
    exec(f"def f({', '.join(names)}): return tuple(function(np, [{', '.join(names)}]))", scope)
    return sd.value_and_jacobian(scope["f"], wrt=names[:15])


def _columns(inputs: Inputs) -> list[Any]:
    """A number for each parameter, or an array with that number of every point."""
    if np.ndim(next(iter(inputs.values()))) == 1:
        return [float(x) for array in inputs.values() for x in array]
    return list(jacobians.columns(inputs))


def _rows(result: Any) -> Any:
    """Value and Jacobian of numbers: a row for each output, and for each of its derivatives."""
    return [np.stack(leaves(part)) for part in result]


def _blocks(result: Any) -> Any:
    """The same of small arrays, whose points are the first axis."""
    value, jacobian = np.asarray(result[0]), result[1]
    parts = jacobian if isinstance(jacobian, tuple) else (jacobian,)
    if value.ndim == 1:
        return [value, *parts]
    columns = [np.reshape(part, (*value.shape, -1)) for part in cast("tuple[Any, ...]", parts)]
    return [value.T, np.moveaxis(np.concatenate(columns, axis=2), 0, -1)]


def compiled(case: Case, inputs: Inputs, threads: int, **options: Any) -> Any:
    """The kernel, generated anew, for so many threads."""
    return sd.compile(case.source(inputs), cache=False, threads=threads, **options)


def _kernel(case: Case, inputs: Inputs, threads: int) -> Ready:
    return Ready(compiled(case, inputs, threads), case.operands(inputs), case.results)


def _function(case: Case, inputs: Inputs, threads: int) -> Ready:
    return Ready(case.source(inputs), case.operands(inputs), case.results)


def _numpy_source(case: Case, inputs: Inputs, threads: int) -> Ready:
    """The kernel's NumPy source, as a user would run it."""
    kernel = compiled(case, inputs, threads)
    scope: dict[str, Any] = {}
    exec(kernel.numpy_source, scope)
    return Ready(scope[kernel.name], case.operands(inputs), case.results)


def _into(case: Case, inputs: Inputs, threads: int) -> Ready:
    """Results written into arrays that are there already."""
    kernel, operands = compiled(case, inputs, threads), case.operands(inputs)
    out = empty_like(kernel(*operands))
    return Ready(lambda *given: kernel(*given, out=out), operands, case.results)


def _bound(case: Case, inputs: Inputs, threads: int, **options: Any) -> Ready:
    """Operands and results fixed once."""
    kernel, operands = compiled(case, inputs, threads, **options), case.operands(inputs)
    if not hasattr(kernel, "bind"):
        raise sd.UnsupportedError("this version has no bind")
    out = empty_like(kernel(*operands))
    order = case.results
    return Ready(kernel.bind(*operands, out=out), (), lambda _: order(out) if order else out)


def empty_like(result: Any) -> Any:
    """Arrays for `out=`, in the structure of a result."""
    if isinstance(result, tuple):
        return tuple(empty_like(part) for part in cast("tuple[Any, ...]", result))
    return np.empty_like(np.asarray(result))
