"""A function of vectors over whole arrays: what tests and benchmarks call."""

from __future__ import annotations

from collections.abc import Sequence


def loop(name: str, symbol: str, lanes: int, arity: int, results: int, element: str) -> str:
    """LLVM text of `void @NAME(ptr x, ..., ptr y, ..., i64 n)`, which calls `symbol` for all n.

    There are `arity` arrays of operands and `results` of results, without overlap, of `element`s
    ("double", "float"); n is a positive multiple of `lanes`.
    """
    vector = element if lanes == 1 else f"<{lanes} x {element}>"
    size = 4 if element == "float" else 8
    sources = [f"%a{i}" for i in range(arity)]
    targets = [f"%b{i}" for i in range(results)]
    returned = vector if results == 1 else f"{{ {', '.join([vector] * results)} }}"
    arguments = ", ".join(f"ptr noalias {p}" for p in [*sources, *targets])
    lines = [
        f"define void @{name}({arguments}, i64 %n) {{",
        "entry:",
        "  br label %head",
        "head:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %head ]",
        *_pointers(sources, element),
        *(f"  %x{i} = load {vector}, ptr %a{i}.i, align {size}" for i in range(arity)),
        f"  %y = call {returned} @{symbol}({', '.join(f'{vector} %x{i}' for i in range(arity))})",
        *_pointers(targets, element),
    ]
    for i in range(results):
        y = "%y"
        if results > 1:
            lines.append(f"  %y{i} = extractvalue {returned} %y, {i}")
            y = f"%y{i}"
        lines.append(f"  store {vector} {y}, ptr %b{i}.i, align {size}")
    lines += [
        f"  %next = add i64 %i, {lanes}",
        "  %more = icmp slt i64 %next, %n",
        "  br i1 %more, label %head, label %exit",
        "exit:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _pointers(arrays: Sequence[str], element: str) -> list[str]:
    return [f"  {p}.i = getelementptr {element}, ptr {p}, i64 %i" for p in arrays]
