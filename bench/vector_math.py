"""Vector functions: ours, inlined into a loop, beside libmvec's and the C library's.

    python bench/vector_math.py [--rounds 200] [--only exp,sin] [--json FILE]

Nanoseconds for one element, over arrays in the cache: medians of many rounds, in which
the contenders take turns. "no AVX-512" are our portable kernels on eight lanes, without the
instructions of AVX-512 that LLVM does not find by itself; "calls" is our function kept out of line.
ULP is the largest error of ours at the points that are timed, against 60-digit references.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
from tables import machine, markdown

sys.path.append(str(Path(__file__).parents[1] / "scripts"))  # where accuracy is measured

from vector_math_accuracy import MACHINE, Applied, error, exact

from symdiff.codegen.llvm import module_text
from symdiff.codegen.vector_math import FUNCTIONS, Machine
from symdiff.codegen.vector_math.loop import loop
from symdiff.runtime.engine import Loaded, assemble, vector_lanes, vector_variants

SIZE: Final = 8192
CHECKED: Final = 256  # elements whose error is measured
RANGES: Final = {
    "sin": (-10.0, 10.0), "cos": (-10.0, 10.0), "sincos": (-10.0, 10.0), "tan": (-10.0, 10.0),
    "log": (0.01, 100.0), "log2": (0.01, 100.0), "log10": (0.01, 100.0), "log1p": (-0.9, 20.0),
    "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "pow": (0.1, 10.0),
}  # fmt: skip


class Library:
    """A loop that calls a vector function of a library."""

    def __init__(self, symbol: str, lanes: int, arity: int) -> None:
        vector = "double" if lanes == 1 else f"<{lanes} x double>"
        declared = f"declare {vector} @{symbol}({', '.join([vector] * arity)}) #0"
        over = loop("over", symbol, lanes, arity, 1, "double")
        text = module_text([over], {symbol: declared})
        self.code = Loaded([assemble(text, loops=False).data], ["over"], {})
        pointers = [ctypes.c_void_p] * (arity + 1)
        self.call = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(self.code.addresses["over"])


def contenders(name: str) -> dict[str, Any]:
    """What is compared, by the heading of its column."""
    lanes, arity = vector_lanes(), FUNCTIONS[name].arity
    found: dict[str, Any] = {
        "symdiff": Applied(name, lanes, MACHINE, optimised=True),
        "no AVX-512": Applied(name, lanes, Machine(MACHINE.fused), optimised=True),
        "calls": Applied(name, lanes, MACHINE),
    }
    letters = {wide: letter for letter, wide in vector_variants()}
    if name != "sincos":
        if lanes in letters:
            symbol = f"_ZGV{letters[lanes]}N{lanes}{'v' * arity}_{name}"
            found["libmvec"] = Library(symbol, lanes, arity)
        found["libm"] = Library(name, 1, arity)
    return found


def timed(name: str, rounds: int) -> dict[str, float]:
    """Nanoseconds an element by contender, and the error of ours."""
    rng = np.random.default_rng(0)
    low, high = RANGES.get(name, (-3.0, 3.0))
    operands = [rng.uniform(low, high, SIZE) for _ in range(FUNCTIONS[name].arity)]
    results = [np.empty(SIZE) for _ in range(FUNCTIONS[name].results)]
    addresses = [x.ctypes.data for x in (*operands, *results)]
    rivals = contenders(name)
    seconds: dict[str, list[float]] = {rival: [] for rival in rivals}
    for _ in range(rounds):
        for rival, code in rivals.items():
            begin = perf_counter()
            code.call(*addresses, SIZE)
            seconds[rival].append(perf_counter() - begin)
    found = {rival: median(times) / SIZE * 1e9 for rival, times in seconds.items()}
    found["ULP"] = largest_error(name, rivals["symdiff"], operands)
    return found


def largest_error(name: str, ours: Applied, operands: list[Any]) -> float:
    """In units in the last place, over the first elements."""
    few = [x[:CHECKED] for x in operands]
    meanings = ("sin", "cos") if name == "sincos" else (name,)
    return max(
        error(computed, exact(meaning, *point))
        for meaning, y in zip(meanings, ours(*few), strict=True)
        for *point, computed in zip(*(x.tolist() for x in few), y.tolist(), strict=True)
    )


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as Markdown."""
    headings = ["symdiff", "no AVX-512", "calls", "libmvec", "libm", "ULP"]
    rows = [
        [f"`{name}`", *(f"{row[h]:.2f}" if h in row else "" for h in headings)]
        for name, row in found.items()
    ]
    return markdown(["function", *headings], rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--only", default="", help="functions, separated by commas")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(FUNCTIONS)
    found = {name: timed(name, options.rounds) for name in names}
    print(machine())
    print()
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
