"""Looks over a built site: links that lead nowhere, and whatever a page would fetch from elsewhere.

    python -m docsite.links site

Exits with 1 if there are any. Links to other sites are not followed: building needs no network.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

# What a browser loads by itself, as against what people click on.
_LOADED: Final = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
_STYLE_URL: Final = re.compile(r"""(?:url\(|@import\s+)\s*["']?((?:https?:)?//[^"')\s]+)""")


class _Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADED and _LOADED[tag] in values and values.get("rel") != "canonical":
            self.loaded.append(values[_LOADED[tag]])


def problems(site: Path) -> list[str]:
    """What is wrong with the pages below `site`, a line each."""
    pages = {p.resolve(): _Page(p.read_text(encoding="utf-8")) for p in site.rglob("*.html")}
    found: list[str] = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for url in [*page.links, *page.loaded]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                if url in page.loaded and parts.scheme != "data":
                    found.append(f"{name} loads {url}")
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if not target.exists():
                found.append(f"{name} links to {url}, which is not there")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name} links to {url}, which has no such anchor")
    for style in site.rglob("*.css"):
        urls = _STYLE_URL.findall(style.read_text(encoding="utf-8"))
        found += [f"{style.relative_to(site)} loads {url}" for url in urls]
    return found


def main() -> None:
    """Print the problems."""
    found = problems(Path(sys.argv[1]))
    print("\n".join(found) or "links lead somewhere, and nothing is loaded from elsewhere")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
