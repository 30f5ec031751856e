"""Functions to text: LLVM for the machine; for people see `symdiff.codegen.texts`.

What a kernel needs is here, and loads in half of the time that all of the room takes.
"""

from symdiff.codegen.entry import ENTRY
from symdiff.codegen.module import Layout, is_long, layout, loop_text, lower, named_tuples
from symdiff.codegen.sharing import sharing
from symdiff.codegen.support import SUPPORT
from symdiff.codegen.vectors import Machine, VectorMath

__all__ = [
    "ENTRY", "SUPPORT", "Layout", "Machine", "VectorMath", "is_long", "layout", "loop_text",
    "lower", "named_tuples", "sharing",
]  # fmt: skip
