"""symdiff: a differentiation compiler."""

__version__ = "0.1.0"
