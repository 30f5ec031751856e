"""The report of an explanation for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import Any, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from symdiff.explain.explanation import Explanation
from symdiff.explain.links import Keys, Links, key, use_of
from symdiff.explain.panes import Pane, Section, is_of_one_point
from symdiff.explain.stages import GONE, KEPT, MOVED, NEW, Stage
from symdiff.explain.words import STAGES, duration, facts

LINES: Final = 60  # of one text; the page has all
LONG: Final = 2000  # characters of a source that are shown
COLOURS: Final = {"value": "green", "derivative": "red", "both": "magenta", "": ""}
USES: Final = (
    ("green", "operations for the value only"),
    ("red", "operations for derivatives only"),
    ("magenta", "operations for both, computed once"),
)
_MARKS: Final = {KEPT: ("  ", ""), GONE: ("- ", "red"), NEW: ("+ ", "green"), MOVED: ("~ ", "cyan")}
_BARS: Final = 24  # characters of the longest bar


def report_of(e: Explanation) -> Any:
    """The report, as rich text."""
    parts: list[Any] = [Text.assemble((e.signature, "bold cyan"), "  ", (_options(e), "dim"))]
    if e.source.text:
        parts.append(Padding(coloured_source(e.source.text, e.links, e.uses), (1, 2)))
    served = zip(USES, (e.served.value, e.served.derivative, e.served.both), strict=True)
    for (style, words), count in served:
        parts.append(Text.assemble(("■", style), f" {words}: {count.total}"))
    parts += [Text(), _facts(e), Text(), _times(e), Text(), Text("passes", "bold")]
    parts += [line for i, stage in enumerate(e.stages) for line in _pass(stage, i, e.final)]
    lines = [(text, (k,) if k else ()) for text, k in e.lines]
    parts += [Text(), Text("final IR", "bold"), _table(lines, e)]
    for pane in e.machine.panes:
        if pane.name in ("loops", "asm"):
            parts += _pane(pane, e)
    return Group(*parts)


def as_text(e: Explanation) -> str:
    """The report without colours, 100 characters wide."""
    file = StringIO()
    Console(file=file, width=100, color_system=None, highlight=False).print(report_of(e))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def coloured_source(text: str, links: Links, uses: Mapping[str, str]) -> Text:
    """The source text in the colours of what its parts serve; of a long one the beginning."""
    shown = Text(text if len(text) <= LONG else f"{text[:LONG]} ...")
    for (start, end), keys in links.spans.items():  # inner parts after those around them
        if start >= LONG:
            break
        shown.stylize(COLOURS[use_of(keys, uses)] or "default", start, end)
    return shown


def _options(e: Explanation) -> str:
    named = [str(e.options["dtype"]), *(["fastmath"] if e.options["fastmath"] else [])]
    return ", ".join([*named, *([e.options["target"]] if e.options["target"] != "host" else [])])


def _facts(e: Explanation) -> Table:
    table = _grid()
    for name, text in facts(e):
        table.add_row(Text(name, "dim"), Text(text))
    return table


def _times(e: Explanation) -> Table:
    table = _grid()
    longest = max(e.seconds.values(), default=0.0)
    for name, seconds in e.seconds.items():
        bar = "━" * max(1, round(_BARS * seconds / longest))
        label = STAGES.get(name, name)
        table.add_row(
            Text(label, "dim"), Text(duration(seconds), justify="right"), Text(bar, "blue")
        )
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.pad_edge = True
    return table


def _pass(stage: Stage, index: int, final: int) -> Iterator[Any]:
    before, after = stage.sizes
    if not stage.changed:
        yield Text(f"  {stage.name}: changed nothing ({duration(stage.seconds)})", "dim")
        return
    grown = f"{before} → {after} lines" if index else f"{after} lines"
    end = ", the final IR" if index == final else ""
    head = Text.assemble((stage.name, "bold"), f": {grown}{end} ({duration(stage.seconds)})")
    yield Padding(head, (0, 0, 0, 2))
    yield Padding(Text(stage.summary, "dim"), (0, 0, 0, 4))
    if not index:
        return
    shown = [line for line in stage.lines if line.kind != KEPT]
    for line in shown[:LINES]:
        sign, style = _MARKS[line.kind]
        yield Text(f"    {sign}{line.text.strip()}", style)
    if len(shown) > LINES:
        yield Text(f"    {len(shown) - LINES} more lines", "dim")


def _pane(pane: Pane, e: Explanation) -> Iterator[Any]:
    """A text beside the parts of the source that its lines come from; of assembly, one point's."""
    yield Text()
    yield Text.assemble((pane.title, "bold"), "  ", (pane.note, "dim"))
    for section in _shown(pane, e):
        if section.title:
            yield Text(f"  {section.title}", "dim")
        lines = [(t, () if origin is None else (key(origin),)) for t, origin in section.lines]
        yield _table(lines, e)


def _shown(pane: Pane, e: Explanation) -> list[Section]:
    if pane.name != "asm":
        return list(pane.sections)
    return [s for s in pane.sections if not s.aside and is_of_one_point(s, e.machine.symbol)]


def _table(lines: Iterable[tuple[str, Keys]], e: Explanation) -> Table:
    """Lines in the colours of what they serve, beside the part of the source that they are."""
    table = _grid()
    rows = list(lines)
    for text, keys in rows[:LINES]:
        excerpt = e.links.excerpt(keys)
        short = excerpt if len(excerpt) <= 32 else f"{excerpt[:29]}..."
        code = Text(f"  {text.expandtabs(4)}", COLOURS[use_of(keys, e.uses)], no_wrap=True)
        table.add_row(code, Text(short, "dim", no_wrap=True))
    if len(rows) > LINES:
        table.add_row(Text(f"  {len(rows) - LINES} more lines; the page has all", "dim"), "")
    return table
