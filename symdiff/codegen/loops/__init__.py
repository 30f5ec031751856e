"""Functions of tensors: loops, buffers and matrix products between the graph and the text."""

from symdiff.codegen.loops.build import build_program
from symdiff.codegen.loops.llvm import BLAS_PREFIX
from symdiff.codegen.loops.program import Program
from symdiff.codegen.loops.text import print_program
from symdiff.codegen.loops.values import has_tensors

__all__ = [
    "BLAS_PREFIX", "Program", "build_program", "has_tensors",
    "print_program",
]  # fmt: skip
