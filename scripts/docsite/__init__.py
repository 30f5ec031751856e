"""What the documentation site is made with, besides its pages: generated pages, figures, checks.

`docs/conf.py` calls it while Sphinx builds; `python -m docsite.links site` looks at what was built.
"""
