"""Pages of HTML that are one file: styles, scripts and data are in them, and nothing is loaded.

What all pages have in common is here: colours for light and dark, the switch between them, and a
policy by which browsers refuse whatever would come from elsewhere.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


def document(
    title: str,
    body: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Any = None,
) -> str:
    """A whole page.

    Args:
        title: what the window is called, as plain text.
        body: what is inside of `<body>`, as HTML. A `<button data-theme-switch>` in it changes
            between light and dark.
        styles: sheets of CSS that follow the common one, which defines the colours `--paper`,
            `--panel`, `--ink`, `--muted`, `--line`, `--accent`, `--value`, `--gradient`, `--both`.
        scripts: sources of JavaScript that run when the body is there.
        data: what the scripts find, as JSON, in the element `#data`.

        >>> page = document("a < b", "<p>text</p>", data={"tag": "</script>"})
        >>> "<title>a &lt; b</title>" in page, page.count("</script>")
        (True, 2)
    """
    sheets = "\n".join([asset("symdiff", "page.css"), *styles])
    sources = "\n".join([asset("symdiff", "page.js"), *scripts])
    held = (
        ""
        if data is None
        else f'<script type="application/json" id="data">{_json(data)}</script>\n'
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="symdiff">
<link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title>
<style>
{sheets}
</style>
</head>
<body>
{body}
{held}<script>
{sources}
</script>
</body>
</html>
"""


@cache
def asset(room: str, name: str) -> str:
    """The text of a file in the folder `assets` of a package, such as "symdiff.explain"."""
    return resources.files(room).joinpath("assets", name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
