"""Functions to text: LLVM for the machine, C, NumPy, formulas, LaTeX and DOT for people."""

from symdiff.codegen.c import c_header
from symdiff.codegen.c_source import c_source
from symdiff.codegen.dot import dot
from symdiff.codegen.entry import ENTRY
from symdiff.codegen.formula import assignments, formula
from symdiff.codegen.latex import latex
from symdiff.codegen.module import Layout, is_long, layout, loop_text, lower, named_tuples
from symdiff.codegen.numpy import numpy_source
from symdiff.codegen.sharing import sharing
from symdiff.codegen.support import SUPPORT
from symdiff.codegen.sympy import to_sympy
from symdiff.codegen.vector_math import Machine
from symdiff.codegen.vectors import VectorMath

__all__ = [
    "ENTRY", "SUPPORT", "Layout", "Machine", "VectorMath", "assignments", "c_header", "c_source",
    "dot", "formula", "is_long", "latex", "layout", "loop_text", "lower", "named_tuples",
    "numpy_source", "sharing", "to_sympy",
]  # fmt: skip
