"""Fixtures and options for all tests."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The time that a test takes says more about what else the machine does than about the code.
settings.register_profile("symdiff", parent=settings.default, deadline=None)
settings.load_profile("symdiff")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


def pytest_configure(config: pytest.Config) -> None:
    """Keep machine code in a folder of this run's own, which its worker processes share."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="symdiff-tests-")
        os.environ["SYMDIFF_CACHE_DIR"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare a text with tests/golden/<test>.txt, or write it there with --update-golden."""

    def compare(text: str) -> None:
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            path.write_text(text.rstrip("\n") + "\n")
        assert path.exists(), f"{path} is missing; run pytest --update-golden"
        assert text.rstrip("\n") == path.read_text().rstrip("\n")

    return compare
