"""The colours of pages: light ones, and dark ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours by name, for light and for dark surroundings."""

    light: Mapping[str, str]
    dark: Mapping[str, str]

    def css(self) -> str:
        """The colours as variables of CSS: light, dark where the system is, as the reader chooses.

        >>> print(Colours({"ink": "black"}, {"ink": "white"}).css().splitlines()[-1])
        :root[data-theme=dark]{color-scheme:dark;--ink:white;}
        """
        light = f"{{color-scheme:light;{_variables(self.light)}}}"
        dark = f"{{color-scheme:dark;{_variables(self.dark)}}}"
        return (
            f":root{light}\n"
            f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light]){dark}}}\n"
            f":root[data-theme=dark]{dark}"
        )


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


COMMON: Final = Colours(
    light={
        "paper": "#fbfbfa",
        "panel": "#ffffff",
        "ink": "#1d2129",
        "muted": "#646b78",
        "line": "#dcdfe4",
        "accent": "#2f5fd0",
        "lit": "#ffe99a",
        "near": "#fff6d6",
        "value": "#13743a",
        "gradient": "#b3261e",
        "both": "#6b35b8",
    },
    dark={
        "paper": "#14171c",
        "panel": "#1b1f26",
        "ink": "#e3e6eb",
        "muted": "#98a1b0",
        "line": "#333a45",
        "accent": "#86acff",
        "lit": "#5d4e12",
        "near": "#37320f",
        "value": "#6fd08f",
        "gradient": "#ff8f86",
        "both": "#c6a2ff",
    },
)
