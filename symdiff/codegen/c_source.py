"""Function -> C99 source: straight-line code for numbers, loops for arrays."""

from __future__ import annotations

from typing import Final

from symdiff.codegen.c import CInterface, scalar_source
from symdiff.codegen.loops import build_program
from symdiff.codegen.loops.c import write_program
from symdiff.codegen.tensors import has_tensors
from symdiff.ir import Function

_STACK: Final = 32768  # bytes of workspace that are taken from the stack


def c_source(fn: Function, traced: bool = False) -> str:
    """A C99 file with one function for users: a pointer per parameter, then one per output.

    Arrays are contiguous, their last axis innermost. Outputs of numbers may overwrite inputs,
    arrays must not. Where an index is out of range, or memory is short, the function returns
    without having completed its outputs. With `traced`, which is not C any more, lines are marked
    with the `location` of what they compute.

    Raises:
        UnsupportedError: an operation that libm does not have.
    """
    if not has_tensors(fn):
        return scalar_source(fn, traced)
    interface = CInterface(fn)
    program = build_program(fn, blas=False)
    names = [*interface.inputs, *interface.outputs]
    run = interface.names.claim(f"{interface.name}_run")
    functions, lines = write_program(program, interface.name, names, "ws", traced)
    arguments = ", ".join([*interface.arguments(), "char *ws"])
    unused = [f"(void){name};" for name in (*names, "ws")]
    body = "\n".join(f"    {line}" for line in [*unused, *lines, "return 0;"])
    functions.append(f"static int {run}({arguments})\n{{\n{body}\n}}")
    passed = ", ".join([*names, "(char *)ws"])
    words = max(1, -(-program.workspace // 8))
    if program.workspace <= _STACK:
        call = [f"double ws[{words}];", f"{run}({passed});"]
    else:
        call = [
            f"double *ws = malloc({8 * words});",
            "if (!ws) return;",
            f"{run}({passed});",
            "free(ws);",
        ]
    outer = "\n".join(f"    {line}" for line in call)
    functions.append(f"{interface.prototype()}\n{{\n{outer}\n}}")
    includes = "#include <math.h>\n#include <stdlib.h>\n#include <string.h>"
    return f"{interface.comment()}\n{includes}\n\n" + "\n\n".join(functions) + "\n"
