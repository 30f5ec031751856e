"""What the runtime is handed: a signature, and the texts of a compiled function on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symdiff.ir import Tree


@dataclass(frozen=True, slots=True)
class Operand:
    """A parameter or an output: its name and element type."""

    name: str
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Program:
    """A lowered function, ready to become machine code.

    Attributes:
        name, symbol: what users call it, and what the machine code calls it.
        params, outputs, result: the signature; `result` gives the outputs their structure.
        lower: LLVM text with the given wrappers around the body ("c", "batch", "call").
        workspace: 8-byte words of scratch memory that a batch call needs.
        whole: one module must hold every wrapper, generated without optimisation (huge code).
        native: the "call" wrapper exists: numbers in and out are floating-point.
        record_types: the named tuple types that the "call" wrapper builds, in its order.
        support: LLVM text of the helpers that every "call" wrapper uses.
        texts: the sources that users can read, by name, each made when asked for.
        recipe: a callable and its arguments that make this kernel again, for pickling.
        target: "host" or an LLVM triple.
    """

    name: str
    symbol: str
    params: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    result: Tree
    lower: Callable[[Sequence[str]], str]
    workspace: int
    whole: bool
    native: bool
    record_types: tuple[type, ...]
    support: str
    texts: Mapping[str, Callable[[], Any]]
    recipe: tuple[Callable[..., Any], tuple[Any, ...]]
    target: str = "host"
    stages: dict[str, float] = field(default_factory=dict[str, float])
