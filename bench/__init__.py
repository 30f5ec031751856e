"""The benchmarks: `python -m bench`, see README.md. No part of the installed package."""
