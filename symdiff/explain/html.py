"""The page of an explanation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from symdiff.explain.explanation import Explanation
from symdiff.explain.links import Keys, Links, key, use_of
from symdiff.explain.panes import Pane, Section
from symdiff.explain.stages import GONE, KEPT, Line, Stage
from symdiff.explain.typeset import Equation
from symdiff.explain.words import STAGES, duration, facts
from symdiff.page import asset, document, frame

SHOWN: Final = 4000  # lines of one section; what is longer nobody reads
_CODE: Final = re.compile(r"`([^`]*)`")
_HOW: Final = (
    "Point at a part of the formula or at a line: what it became, and where it comes from, lights "
    "up everywhere. Click to keep it, <kbd>Esc</kbd> to let it go. With the keyboard: "
    "<kbd>Tab</kbd> to a text, arrows within it, <kbd>Enter</kbd> to keep."
)
_KINDS: Final = {KEPT: "", GONE: "gone", "+": "new", "~": "moved"}


def page_of(explanation: Explanation) -> str:
    """The page, as HTML."""
    body = "\n".join([
        _header(explanation),
        "<main>",
        _source(explanation),
        _formulas(explanation),
        _figures(explanation),
        _passes(explanation),
        _panes(explanation),
        "</main>",
    ])  # fmt: skip
    return document(
        _title(explanation),
        body,
        styles=[asset("symdiff.explain", "explain.css")],
        scripts=[asset("symdiff.explain", "explain.js")],
    )


def frame_of(explanation: Explanation) -> str:
    """The page in a frame, as notebooks take it."""
    return frame(_title(explanation), page_of(explanation), "50rem")


def _title(explanation: Explanation) -> str:
    return f"{explanation.name}: what the compiler did"


def _header(e: Explanation) -> str:
    options = [e.options["dtype"]]
    options += ["fastmath"] if e.options["fastmath"] else []
    options += [e.options["target"]] if e.options["target"] != "host" else []
    badges = "".join(f'<span class="badge">{escape(str(option))}</span>' for option in options)
    return f"""\
<header>
<div><h1>What the compiler did</h1>
<p class="signature"><code>{escape(e.signature)}</code>{badges}</p></div>
<button data-theme-switch title="Light or dark">◐ <span class="wide">Theme</span></button>
</header>"""


# The formula.


def _source(e: Explanation) -> str:
    """What stays in sight: the source, and what the colours mean."""
    kinds = (
        ("value", "for the value only", e.served.value),
        ("derivative", "for derivatives only", e.served.derivative),
        ("both", "for both, computed once", e.served.both),
    )
    items = "".join(
        f'<li class="{kind}"><span class="swatch"></span>{words}: <b>{count.total}</b>'
        f"{' operation' if count.total == 1 else ' operations'}</li>"
        for kind, words, count in kinds
    )
    shown = escape(e.source.text)
    if e.links.spans:
        shown = source_html(e.source.text, e.links, e.uses)
    text = f'<pre class="source" tabindex="0" data-walk>{shown}</pre>' if shown else ""
    return f'<div class="sticky">{text}<ul class="legend">{items}</ul></div>'


def _formulas(e: Explanation) -> str:
    parts = ['<section id="formula" aria-label="The formula">', f'<p class="note">{_HOW}</p>']
    if e.formula is not None:
        parts.append(f"<h2>Formula</h2>{_equations(e.formula)}")
    if e.equations is not None and e.output != "value":
        parts.append(
            f"<h2>With derivatives</h2>{_equations(e.equations)}"
            '<p class="note">What is used more than once has a name, and is computed once.</p>'
        )
    return "\n".join([*parts, "</section>"])


def source_html(text: str, links: Links, uses: Mapping[str, str]) -> str:
    """The source text, its parts in elements with the keys of what they became."""
    opening: dict[int, list[tuple[int, Keys]]] = {}
    closing: dict[int, int] = {}
    for (start, end), keys in links.spans.items():  # outer ones first
        opening.setdefault(start, []).append((end, keys))
        closing[end] = closing.get(end, 0) + 1
    result: list[str] = []
    last = 0
    for place in sorted({*opening, *closing}):
        result.append(escape(text[last:place]))
        result.append("</span>" * closing.get(place, 0))
        for _, keys in opening.get(place, ()):
            result.append(f'<span class="part {use_of(keys, uses)}" data-keys="{_joined(keys)}">')
        last = place
    return "".join([*result, escape(text[last:])])


def _equations(equations: Sequence[Equation]) -> str:
    rows = "".join(
        f'<tr><td><math displaystyle="true">{row.left}</math></td><td><math><mo>=</mo></math></td>'
        f'<td><math displaystyle="true">{row.right}</math></td></tr>'
        for row in equations
    )
    return f'<div class="equations" tabindex="0" data-walk><table>{rows}</table></div>'


# Figures.


def _figures(e: Explanation) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts(e)
    )
    whole = sum(e.seconds.values())
    bars = "".join(
        f'<tr><td>{escape(STAGES.get(name, name))}</td><td class="number">{duration(seconds)}</td>'
        f'<td class="bar"><span style="width:{100 * seconds / whole:.1f}%"></span></td></tr>'
        for name, seconds in e.seconds.items()
    )
    return f"""\
<section id="figures" aria-label="Figures">
<h2>Figures</h2>
<dl class="facts">{rows}</dl>
<table class="times"><caption>Compiled in {duration(whole)}</caption>{bars}</table>
</section>"""


# Passes.


def _passes(e: Explanation) -> str:
    parts = "".join([_pass(e, i, stage) for i, stage in enumerate(e.stages)])
    return (
        '<section id="passes"><h2>Passes</h2><p class="note">The IR after each pass, beside the '
        "one before: what is new <ins>+</ins>, gone <del>−</del>, or moved <i>~</i>. A value has "
        f"its number in the final IR wherever it is there.</p>{parts}</section>"
    )


def _pass(e: Explanation, index: int, stage: Stage) -> str:
    before, after = stage.sizes
    if not index:
        what = f"{after} lines"
    elif not stage.changed:
        what = "changed nothing"
    else:
        what = f"{before} → {after} lines"
    final = '<span class="badge">the final IR</span>' if index == e.final else ""
    summary = _CODE.sub(r"<code>\1</code>", escape(stage.summary))
    head = (
        f'<summary><b>{escape(stage.name)}</b> <span class="what">{what}</span>{final}'
        f'<span class="about">{summary}</span><span class="number">{duration(stage.seconds)}</span>'
        "</summary>"
    )
    if not stage.changed:
        return f'<details class="pass same">{head}</details>'
    if not stage.lines:
        return f'<details class="pass">{head}<p class="note">Too long to be shown.</p></details>'
    lines = [
        _line(line.text, _keys(e, index, line), e.uses, _KINDS[line.kind]) for line in stage.lines
    ]
    shown = "open" if index else ""
    body = f'<div class="lines" tabindex="0" data-walk>{"".join(lines)}</div>'
    return f'<details class="pass" {shown}>{head}{body}</details>'


def _keys(e: Explanation, index: int, line: Line) -> Keys:
    """The keys of a line in the difference that stage `index` shows."""
    if line.value is None:
        return ()
    if index > e.final:  # made from the numbered IR: it says itself
        return () if line.value.location is None else (key(line.value.location),)
    stage = e.stages[index - 1 if line.kind == GONE else index]
    return e.links.of(line.value, stage.numbers)


# The texts beside each other.


def _panes(e: Explanation) -> str:
    final = "".join([_line(text, (k,) if k else (), e.uses) for text, k in e.lines[:SHOWN]])
    final += _more(len(e.lines))
    made = [(p.name, p.title, p.note, _sections(p, e.uses)) for p in e.machine.panes]
    panes = [("ir", "Final IR", "What was compiled.", final), *made]
    buttons = "".join(
        f'<button aria-pressed="true" aria-controls="pane-{name}" data-pane="{name}">'
        f"{escape(title)}</button>"
        for name, title, _, _ in panes
    )
    columns = "".join(
        f'<section class="pane" id="pane-{name}" aria-label="{escape(title)}">'
        f'<h3>{escape(title)} <small>{escape(note)}</small></h3><div class="frame">'
        f'<div class="lines" tabindex="0" data-walk>{content}</div><div class="ticks"></div></div>'
        "</section>"
        for name, title, note, content in panes
    )
    return f"""\
<section id="code"><h2>Code</h2>
<div class="toolbar" role="group" aria-label="Texts">{buttons}<span id="status" role="status">
</span></div>
<div class="panes">{columns}</div></section>"""


def _sections(pane: Pane, uses: Mapping[str, str]) -> str:
    if len(pane.sections) == 1 and not pane.sections[0].title:
        return _section_lines(pane.sections[0], uses)
    return "".join([
        f'<details class="part-of" {"" if section.aside else "open"}>'
        f"<summary>{escape(section.title)}<small>{len(section.lines)} lines</small></summary>"
        f"{_section_lines(section, uses)}</details>"
        for section in pane.sections
    ])  # fmt: skip


def _section_lines(section: Section, uses: Mapping[str, str]) -> str:
    shown = [
        _line(text, () if origin is None else (key(origin),), uses)
        for text, origin in section.lines[:SHOWN]
    ]
    return "".join(shown) + _more(len(section.lines))


def _more(count: int) -> str:
    return f'<p class="note">{count - SHOWN} more lines</p>' if count > SHOWN else ""


def _line(text: str, keys: Keys, uses: Mapping[str, str], kind: str = "") -> str:
    classes = " ".join(filter(None, ("line", use_of(keys, uses), kind)))
    linked = f' data-keys="{_joined(keys)}"' if keys else ""
    return f'<div class="{classes}"{linked}>{escape(text) or "&#8203;"}</div>'


def _joined(keys: Iterable[str]) -> str:
    return " ".join(keys)
