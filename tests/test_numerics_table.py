"""docs/numerics.md says what the operations do: names, conventions and measured errors."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from symdiff.ir import Op

SCRIPT = Path(__file__).parents[1] / "scripts" / "numerics_table.py"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("numerics_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


numerics: Any = _loaded()
OPERATIONS: list[Op] = numerics.operations()
every_operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)


def test_table_has_every_operation_once() -> None:
    assert sorted(numerics.written()) == sorted(op.name for op in OPERATIONS)


def test_list_has_every_operation_on_arrays() -> None:
    assert numerics.listed() == numerics.array_list()
    assert "`contract`" in numerics.listed()


@every_operation
def test_conventions_are_those_of_the_operations(op: Op) -> None:
    assert numerics.written()[op.name].note == op.note


@every_operation
def test_errors_are_those_written(op: Op) -> None:
    measured = numerics.measure(op, points=20)
    assert numerics.written()[op.name].holds(measured), measured


@pytest.mark.slow
@every_operation
def test_errors_are_those_written_at_every_point(op: Op) -> None:
    measured = numerics.measure(op)
    assert numerics.written()[op.name].holds(measured), measured


def test_error_is_counted_in_units_of_the_last_place() -> None:
    mp: Any = pytest.importorskip("mpmath").mp
    assert numerics.ulps(1.0, mp.mpf(1), mp) == 0.0
    assert numerics.ulps(1.0 + 2.0**-52, mp.mpf(1), mp) == 1.0
    assert numerics.ulps(-0.0, mp.mpf(0), mp) == 0.0
    assert numerics.ulps(1e-300, mp.mpf(0), mp) == float("inf")
    assert numerics.ulps(float("nan"), mp.mpf(1), mp) == float("inf")


def test_table_has_every_vector_function() -> None:
    assert sorted(numerics.vector_written()) == sorted(numerics.FUNCTIONS)


def test_errors_of_vector_functions_are_those_written() -> None:
    written = numerics.vector_written()
    for row in numerics.vector_accuracies(points=30):
        assert row.error <= written[row.name] + 0.5, row
