"""The accuracy of the vector functions in symdiff/codegen/vector_math, measured.

    python scripts/vector_math_accuracy.py [--points 2000] [--only exp,sin]

Points are drawn from every part of a function's domain where errors may be large: all exponents,
neighbourhoods of zeros, poles and of the borders between cases, overflow and underflow. References
are 60-digit values of mpmath.
"""

from __future__ import annotations

import argparse
import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np

from symdiff.codegen.llvm import module_text
from symdiff.codegen.vector_math import FUNCTIONS, Machine, function
from symdiff.codegen.vector_math.loop import loop
from symdiff.runtime.engine import Image, Loaded, assemble, binding

Array = np.ndarray[Any, Any]
mp: Any = import_module("mpmath").mp
DIGITS: Final = 60
SEED: Final = 20240229
TRIGONOMETRIC: Final = 2.0**20  # below which sin, cos and tan are our own


class Applied:
    """A vector function as a function of arrays.

    With `cpu`, a name that LLVM knows, compiled for that processor, which this machine has to be
    able to stand in for.
    """

    def __init__(
        self,
        name: str,
        lanes: int,
        machine: Machine,
        dtype: Any = "f64",
        cpu: str = "",
        optimised: bool = False,
    ) -> None:
        self.shape, self.lanes, self.dtype = FUNCTIONS[name], lanes, dtype
        kernel = function(name, lanes, dtype, machine)
        element = "float" if dtype == "f32" else "double"
        arity, results = self.shape.arity, self.shape.results
        over = loop("over", kernel.symbol, lanes, arity, results, element)
        self.text = module_text([kernel.text, over], kernel.declarations)
        image = _for_cpu(self.text, cpu) if cpu else assemble(self.text, loops=optimised)
        self.code = Loaded([image.data], ["over"], {})
        pointers = [ctypes.c_void_p] * (arity + results)
        self.call = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(self.code.addresses["over"])

    def __call__(self, *operands: Array) -> tuple[Array, ...]:
        """The arrays of results."""
        kind = np.float32 if self.dtype == "f32" else np.float64
        n = len(operands[0])
        size = n + -n % self.lanes
        padded = [np.ascontiguousarray(np.resize(x, size), dtype=kind) for x in operands]
        results = [np.empty(size, kind) for _ in range(self.shape.results)]
        self.call(*[x.ctypes.data for x in (*padded, *results)], size)
        return tuple(y[:n] for y in results)


def _for_cpu(text: str, cpu: str) -> Image:
    llvm = binding()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features="", opt=2, reloc="pic", codemodel="default"
    )
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    return Image(machine.emit_object(module), 0)


class Points:
    """Where functions are evaluated: `n` points of each kind."""

    def __init__(self, n: int, seed: int = SEED) -> None:
        self.n = n
        self.rng = np.random.default_rng(seed)

    def within(self, low: float, high: float) -> Array:
        return self.rng.uniform(low, high, self.n)

    def sizes(self, low: int = -1074, high: int = 1024) -> Array:
        """Positive numbers, every exponent from `low` to `high` equally often."""
        n = self.n
        return np.ldexp(self.rng.uniform(1.0, 2.0, n), self.rng.integers(low, high, n))

    def signed(self, low: int = -1074, high: int = 1024) -> Array:
        return self.sizes(low, high) * self.rng.choice([-1.0, 1.0], self.n)

    def near(self, x: float) -> Array:
        """Neighbours of x, at all distances."""
        return x * (1.0 + self.signed(-52, -3))

    def multiples(self) -> Array:
        """Numbers next to multiples of pi/2, the closest of many."""
        k = self.rng.integers(1, int(TRIGONOMETRIC / 1.5708), 8 * self.n)
        x = np.asarray([float(int(i) * mp.pi / 2) for i in k])
        distance = np.asarray(
            [float(abs(mp.mpf(v) - int(i) * mp.pi / 2)) for v, i in zip(x, k, strict=True)]
        )
        x = x[np.argsort(distance)][: self.n]
        return np.concatenate([x, -np.nextafter(x, 0.0), np.nextafter(x, np.inf)])

    def of(self, name: str) -> list[Array]:
        """The operands for a function."""
        with mp.workdps(DIGITS):
            return [np.concatenate(parts) for parts in zip(*self._parts(name), strict=True)]

    def _parts(self, name: str) -> list[tuple[Array, ...]]:
        within, sizes, signed, near = self.within, self.sizes, self.signed, self.near
        if name == "pow":
            base = np.concatenate([sizes(), near(1.0), within(0.5, 2.0), sizes(-1022, 1023)])
            with np.errstate(divide="ignore", over="ignore"):
                # Exponents that lead to results of all sizes, none, and too large ones.
                power = self.rng.uniform(-750.0, 712.0, len(base)) / np.log(base)
            return [
                (base, np.where(np.isfinite(power), power, 1.5)),
                (signed(-5, 5), self.rng.integers(-20, 20, self.n).astype(float)),
            ]
        if name in ("atan2", "hypot"):
            return [(signed(), signed()), (within(-3, 3), within(-3, 3)), (signed(-9, 9),) * 2]
        single = {
            "exp": [within(-746, 710), within(-1, 1), signed(-1074, 10), within(-746, -707)],
            "exp2": [within(-1076, 1025), within(-1, 1), signed(-1074, 10), within(-1076, -1021)],
            "expm1": [within(-60, 710), within(-1, 1), signed(-1074, 10), near(0.4), near(-0.3)],
            "sinh": [within(-711, 711), within(-1, 1), signed(-1074, 10), within(-3, 3)],
            "tanh": [within(-20, 20), within(-1, 1), signed(-1074, 10), within(-0.3, 0.3)],
            "log": [sizes(), near(1.0), within(0.5, 2.0), near(math.sqrt(0.5)), near(2**0.5)],
            "log1p": [signed(-1074, 0), sizes(), within(-1, 2), near(0.414), near(-0.293)],
            "sin": [within(-7, 7), signed(-1074, 20), within(-1, 1), near(math.pi / 4)],
            "asin": [within(-1, 1), signed(-1074, 0), near(0.5), 1.0 - sizes(-52, -2)],
            "atan": [within(-3, 3), signed(), near(0.5), near(2.0)],
        }
        alike = {
            "cosh": "sinh", "log2": "log", "log10": "log", "cos": "sin", "sincos": "sin",
            "tan": "sin", "acos": "asin",
        }  # fmt: skip
        parts = single[alike.get(name, name)]
        if alike.get(name, name) == "sin":
            parts += [within(-TRIGONOMETRIC, TRIGONOMETRIC), signed(18, 1000), self.multiples()]
        return [(x,) for x in parts]


def exact(name: str, *operands: float) -> Any:
    """The value of one of C's functions, to DIGITS digits."""
    with mp.workdps(DIGITS):
        numbers = [mp.mpf(x) for x in operands]
        if name == "exp2":
            return mp.mpf(2) ** numbers[0]
        if name in ("log2", "log10"):
            return mp.log(numbers[0]) / mp.log(int(name[3:]))
        return getattr(mp, {"pow": "power"}.get(name, name))(*numbers)


def error(computed: float, reference: Any) -> float:
    """How far `computed` is from the reference, in units in the last place of the latter."""
    nearest = float(reference)
    if not math.isfinite(computed) or not math.isfinite(nearest):
        same = computed == nearest or (computed != computed and nearest != nearest)
        return 0.0 if same else math.inf
    with mp.workdps(DIGITS):
        return float(abs(mp.mpf(computed) - reference) / mp.mpf(math.ulp(nearest)))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The largest error of a function in ULP, where it is, and how many points were tried."""

    name: str
    error: float
    worst: tuple[float, ...]
    points: int


def measured(name: str, apply: Callable[..., Sequence[Array]], operands: list[Array]) -> Accuracy:
    """The accuracy of `apply`, the function `name` of arrays."""
    results = apply(*operands)
    meanings = ("sin", "cos") if name == "sincos" else (name,)
    points = list(zip(*(x.tolist() for x in operands), strict=True))
    worst, where = 0.0, points[0]
    for meaning, y in zip(meanings, results, strict=True):
        for point, computed in zip(points, y.tolist(), strict=True):
            found = error(computed, exact(meaning, *point))
            if found > worst:
                worst, where = found, point
    return Accuracy(name, worst, where, len(points))


def main() -> None:
    """Print the accuracy of all functions, or of those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=2000, help="of every kind")
    parser.add_argument("--only", default="", help="functions, separated by commas")
    options = parser.parse_args()
    for name in options.only.split(",") if options.only else FUNCTIONS:
        found = measured(name, Applied(name, 8, MACHINE), Points(options.points).of(name))
        at = ", ".join(map(repr, found.worst))
        print(f"{name:7} {found.error:.3f} at {at} of {found.points}")


def _machine() -> Machine:
    """What the kernels may use here."""
    features = binding().get_host_cpu_features()
    avx512 = all(features.get(f"avx512{x}") for x in ("f", "dq", "vl"))
    arm = binding().get_process_triple().startswith(("aarch64", "arm64"))
    return Machine(bool(features.get("fma")) or arm, avx512)


MACHINE: Final = _machine()

if __name__ == "__main__":
    main()
