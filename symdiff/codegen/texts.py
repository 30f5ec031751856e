"""The texts that people read and take away: C, NumPy, formulas, LaTeX, SymPy."""

from symdiff.codegen.c import c_header
from symdiff.codegen.c_source import c_source
from symdiff.codegen.formula import assignments, formula
from symdiff.codegen.latex import latex
from symdiff.codegen.linked import linked_latex
from symdiff.codegen.node_texts import operation, symbol
from symdiff.codegen.numpy import numpy_source
from symdiff.codegen.sympy import to_sympy

__all__ = [
    "assignments", "c_header", "c_source", "formula", "latex", "linked_latex", "numpy_source",
    "operation", "symbol", "to_sympy",
]  # fmt: skip
