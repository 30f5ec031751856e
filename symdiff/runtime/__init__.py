"""LLVM text to kernels: machine code, entry points, calls."""

from symdiff.runtime import cache
from symdiff.runtime.bound import BoundKernel
from symdiff.runtime.dispatch import bind
from symdiff.runtime.engine import HOST, vector_features, vector_lanes, vector_variants
from symdiff.runtime.kernel import Kernel, load
from symdiff.runtime.program import Operand, Program, Signature
from symdiff.runtime.threads import checked as checked_threads
from symdiff.runtime.threads import count as thread_count

__all__ = [
    "HOST", "BoundKernel", "Kernel", "Operand", "Program", "Signature", "bind", "cache",
    "checked_threads", "load", "thread_count", "vector_features", "vector_lanes",
    "vector_variants",
]  # fmt: skip
