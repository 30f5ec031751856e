"""LLVM text to kernels: machine code, entry points, calls."""

from symdiff.runtime.kernel import Kernel, load
from symdiff.runtime.program import Operand, Program

__all__ = ["Kernel", "Operand", "Program", "load"]
