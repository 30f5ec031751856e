"""What there is to say about a compilation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.explain.links import Links
    from symdiff.explain.machine import Machine
    from symdiff.explain.source import Source
    from symdiff.explain.stages import Stage
    from symdiff.explain.typeset import Equation
    from symdiff.explain.uses import Uses
    from symdiff.ir import Function
    from symdiff.passes import OperationCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the compiler made of a formula, stage by stage; made by `symdiff.explain`.

    It prints as a report for the terminal; `html` and `save` give a page in which a part of the
    formula lights up together with all that it became.

    Attributes:
        name: the name of the function that was compiled.
        output: what it computes: "value_and_grad", ...
        options: `dtype`, `fastmath` and `target`.
        source: the text of the formula.
        formula: the function alone as equations; None where it has no readable form.
        equations: all that is computed, as equations; None as before.
        stages: what every pass did; `final` is the position of the one whose result is the
            kernel's IR.
        ir: the kernel's IR.
        lines: its lines, each with the key of the value in it.
        links: which parts of the source and of earlier stages these are.
        uses: by key, whether a value serves the value, derivatives or both.
        served: the operations by what they serve.
        value_cost: the operations of the value alone.
        machine: what the back end made.
        seconds: how long each stage took.
        code_size: bytes of machine code of what a call runs.
    """

    name: str
    output: str
    options: Mapping[str, Any]
    parameters: Mapping[str, str]
    source: Source
    formula: Sequence[Equation] | None
    equations: Sequence[Equation] | None
    stages: Sequence[Stage]
    final: int
    function: Function
    ir: str
    lines: Sequence[tuple[str, str]]
    links: Links
    uses: Mapping[str, str]
    served: Uses
    value_cost: OperationCount
    machine: Machine
    seconds: Mapping[str, float]
    code_size: int

    @property
    def signature(self) -> str:
        """The name with the parameters and their types."""
        return f"{self.name}({', '.join(f'{n}: {t}' for n, t in self.parameters.items())})"

    def html(self) -> str:
        """A page of HTML with nothing outside of it: it needs neither files nor a network."""
        return import_module("symdiff.explain.html").page_of(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page of `html` to a file."""
        page = self.html()
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)

    def facts(self) -> dict[str, Any]:
        """The figures of the report, as JSON takes them."""
        served, machine = self.served, self.machine
        return {
            "name": self.name,
            "output": self.output,
            "parameters": dict(self.parameters),
            "options": dict(self.options),
            "operations": {
                "value": served.value,
                "derivative": served.derivative,
                "both": served.both,
                "of the value alone": self.value_cost,
            },
            "passes": [
                {"name": s.name, "changed": s.changed, "lines": s.sizes[1], "seconds": s.seconds}
                for s in self.stages
            ],
            "seconds": dict(self.seconds),
            "lanes": machine.lanes,
            "library_calls": dict(machine.calls),
            "vector_functions": dict(machine.vector_calls),
            "vector_instructions": {str(size): n for size, n in machine.widths.items()},
            "workspace_bytes": machine.workspace,
            "code_bytes": self.code_size,
        }

    def __rich__(self) -> Any:
        return import_module("symdiff.explain.terminal").report_of(self)

    def __str__(self) -> str:
        return import_module("symdiff.explain.terminal").as_text(self)

    def __repr__(self) -> str:
        return f"<symdiff explanation of {self.name}>"

    def _repr_html_(self) -> str:
        return import_module("symdiff.explain.html").frame_of(self)
