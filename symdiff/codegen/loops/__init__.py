"""Functions of tensors: loops, buffers and matrix products between the graph and the text."""

from symdiff.codegen.loops.build import build_program
from symdiff.codegen.loops.llvm import BLAS_PREFIX
from symdiff.codegen.loops.module import grouped, lower_program
from symdiff.codegen.loops.program import Program
from symdiff.codegen.loops.teams import Team, team_of
from symdiff.codegen.loops.text import print_program
from symdiff.codegen.loops.work import of_program

__all__ = [
    "BLAS_PREFIX", "Program", "Team", "build_program", "grouped", "lower_program", "of_program",
    "print_program", "team_of",
]  # fmt: skip
