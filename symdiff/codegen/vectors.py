"""What a machine computes at once: the lanes of its vectors, and the functions of vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from symdiff.ir import DType

# Functions of libmvec, glibc's library of vector functions, by number of operands.
LIBMVEC: Final = {
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1, "sinh": 1, "cosh": 1,
    "tanh": 1, "asinh": 1, "acosh": 1, "atanh": 1, "exp": 1, "exp2": 1, "exp10": 1, "expm1": 1,
    "log": 1, "log2": 1, "log10": 1, "log1p": 1, "cbrt": 1, "erf": 1, "erfc": 1,
    "pow": 2, "atan2": 2, "hypot": 2,
}  # fmt: skip

# Those of them that are faster than ours where LLVM vectorises, at 4 ULP where ours have 1.
FASTER: Final = frozenset(("hypot", "log10", "log1p", "tan"))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a processor has that some kernels use.

    Attributes:
        fused: a multiply-add instruction that rounds once (x86 FMA, NEON).
        avx512: AVX-512 F, DQ and VL, whose vscalefpd multiplies by powers of two.
    """

    fused: bool = False
    avx512: bool = False


PORTABLE: Final = Machine()


@dataclass(frozen=True, slots=True)
class VectorMath:
    """The vectors of a machine.

    Attributes:
        lanes: the doubles that its widest vector holds.
        machine: what it has that our own functions of vectors use.
        variants: the functions of libmvec that can be called: `("e", 8)` is the letter of the
            vector function ABI and the lanes of doubles, widest first. () where there are none.
        inlines: the code will be optimised, so that our own functions become part of it.
    """

    lanes: int = 1
    machine: Machine = PORTABLE
    variants: tuple[tuple[str, int], ...] = ()
    inlines: bool = True

    def lanes_of(self, dtypes: Iterable[DType]) -> int:
        """How many points fill a vector of the widest of these types, one or the other is f64."""
        wide = any(dtype.itemsize == 8 for dtype in dtypes)
        return self.lanes if wide or self.lanes == 1 else 2 * self.lanes

    def symbol(self, name: str, arity: int, lanes: int, single: bool) -> str:
        """The function of libmvec that stands for `name` on so many lanes; "" if none does."""
        if LIBMVEC.get(name[:-1] if single else name) == arity:
            for letter, doubles in self.variants:
                if lanes == doubles * (2 if single else 1):
                    return f"_ZGV{letter}N{lanes}{'v' * arity}_{name}"
        return ""


NO_VECTORS: Final = VectorMath()
