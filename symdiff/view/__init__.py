"""Computation graphs to look at: SVG, PNG, DOT, and a page that steps through them."""

from symdiff.view.drawing import SUFFIXES, Drawing, draw

__all__ = ["SUFFIXES", "Drawing", "draw"]
