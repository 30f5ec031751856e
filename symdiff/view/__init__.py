"""Computation graphs to look at: SVG, PNG, DOT, and a page that steps through them."""

from symdiff.view.drawing import Drawing, draw

__all__ = ["Drawing", "draw"]
