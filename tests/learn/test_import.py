"""What stands around the compiler costs nothing until it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import symdiff as sd

PROGRAM = """
import sys
import symdiff
assert not any(name.startswith("symdiff.learn") for name in sys.modules)
assert callable(symdiff.learn.fit)
assert not {"matplotlib", "rich"} & sys.modules.keys()
"""


def test_learn_is_loaded_by_its_first_use() -> None:
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, cwd=root)


def test_other_names_are_still_unknown() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lern'"):
        sd.lern  # noqa: B018
