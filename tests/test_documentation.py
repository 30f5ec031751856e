"""The examples in the documents run, and print what they say."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from symdiff.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


def console_examples(page: Path) -> list[tuple[str, str]]:
    """The `symdiff` commands in the console blocks of a page, with the output shown."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = example.partition("\n")
            if command.startswith("symdiff ") and output.strip():
                found.append((command, output.strip()))
    return found


@pytest.mark.parametrize(("command", "shown"), console_examples(ROOT / "README.md"))
def test_commands_print_what_the_readme_shows(command: str, shown: str) -> None:
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert without_figures(result.output) == without_figures(shown)


def without_figures(text: str) -> str:
    """Lines without trailing blanks, and without what differs from machine to machine."""
    kept = [
        re.sub(r"(machine code|compiled in).*", r"\1", line).rstrip() for line in text.splitlines()
    ]
    return "\n".join(kept).strip()
