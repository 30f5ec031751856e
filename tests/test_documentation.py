"""The examples in the documents run, and print what they say."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import symdiff as sd
from symdiff.cli import main

ROOT = Path(__file__).parent.parent
# Pages that the site generates have no examples: what is on them comes from the package.
GENERATED = {"operations.md", "functions.md", "command-line.md"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if p.name not in GENERATED),
]
SLOW = {"backpropagation.md"}


def by_page(page: Path) -> object:
    marks = [pytest.mark.slow] if page.name in SLOW else []
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [by_page(p) for p in PAGES])
def test_python_examples(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


def console_examples(page: Path) -> list[tuple[str, str]]:
    """The `symdiff` commands in the console blocks of a page, with the output shown."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = example.partition("\n")
            if command.startswith("symdiff "):
                found.append((command, output.strip()))
    return found


CONSOLE = [
    pytest.param(command, shown, id=f"{page.relative_to(ROOT)}-{i}")
    for page in PAGES
    for i, (command, shown) in enumerate(console_examples(page))
]


@pytest.mark.parametrize(("command", "shown"), CONSOLE)
def test_commands_print_what_the_page_shows(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page shows no output there is none to compare, but the command must succeed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(tmp_path / "cache"))
    result = CliRunner().invoke(main, shlex.split(command, comments=True)[1:])
    if shown:
        assert without_figures(result.output) == without_figures(shown)
    else:
        assert result.exit_code == 0, result.output


def without_figures(text: str) -> str:
    """Lines without trailing blanks, and without what differs from machine to machine."""
    kept = [
        re.sub(r"(machine code|compiled in).*", r"\1", line).rstrip() for line in text.splitlines()
    ]
    return "\n".join(kept).strip()


def test_the_reference_names_everything_public() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\.\. auto\w+:: (?:symdiff\.)?([\w.]+)", page, re.M))
    assert set(sd.__all__) - {"__version__"} <= named
