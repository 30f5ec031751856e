"""What the runtime is handed: a signature, and the texts of a compiled function on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symdiff.ir import Tree


@dataclass(frozen=True, slots=True)
class Operand:
    """A parameter or an output: its name, element type and shape at one point of a batch."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        """What its elements take."""
        return self.dtype.itemsize * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a lowered function besides its code; the disk cache keeps it.

    Attributes:
        name, symbol: what users call it, and what the machine code calls it.
        params, outputs: the signature of the machine code.
        arguments: what users give: names, and structures whose leaves are `params` in order.
        result: the structure in which users get `outputs`.
        workspace: 8-byte words of scratch memory that a call for one point needs.
        whole: one module must hold every wrapper, generated without optimisation (huge code).
        native: the "call" wrapper exists: floating-point numbers in, and tuples of them out.
        record_types: the named tuple types that the "call" wrapper builds, in its order.
        checks: what went wrong where a batch call returns 1, 2, ...; () where it cannot.
        loops: the code has loops, which LLVM is to optimise.
        in_lanes: the "many" wrapper exists: many points in the lanes of vectors.
        team: for one point that several threads compute, by the wrapper "team": the words of
            scratch memory, and how often they share something; None if it is not worth while.
        work: how long a point takes, in units of about 0.05 nanoseconds.
        donated: positions of outputs, and of the parameters whose memory they take.
    """

    name: str
    symbol: str
    params: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    arguments: tuple[tuple[str, Tree], ...]
    result: Tree
    workspace: int
    whole: bool
    native: bool
    record_types: tuple[type, ...]
    checks: tuple[str, ...]
    loops: bool
    in_lanes: bool
    team: tuple[int, int] | None
    work: int
    donated: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Signature):
    """A lowered function, ready to become machine code.

    Attributes:
        lower: LLVM text with the given wrappers around the body ("c", "batch", "many", "call").
        batch_workspace: 8-byte words of scratch memory that a call for many points needs.
        support: LLVM text of the helpers that every "call" wrapper uses; the same function each
            time, as the next two.
        entry: LLVM text of the CPython entries that all kernels without a "call" wrapper share.
        sharing: LLVM text of that by which threads share work, None for one thread.
        threads: how many may share what a call does.
        texts: the sources that users can read, by name, each made when asked for.
        recipe: a callable and its arguments that make this kernel again, for pickling.
        target: "host" or an LLVM triple.
        key: what tells its machine code from that of all others, for the disk cache; None for
            code that is not to be kept.
    """

    lower: Callable[[Sequence[str]], str]
    batch_workspace: Callable[[], int]
    support: Callable[[], str]
    entry: Callable[[], str]
    sharing: Callable[[], str] | None
    threads: int
    texts: Mapping[str, Callable[[], Any]]
    recipe: tuple[Callable[..., Any], tuple[Any, ...]]
    target: str = "host"
    key: bytes | None = None
    stages: dict[str, float] = field(default_factory=dict[str, float])
