"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "scripts")]
# One figure shows times; BLAS must not wait for cores that others use. Read when NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

(DOCS / "extra").mkdir(exist_ok=True)

import symdiff  # noqa: E402

project = "symdiff"
author = "the symdiff developers"
copyright = author
version = release = symdiff.__version__

extensions = [
    "docsite.docstrings",
    "docsite.drawn",
    "docsite.mathml",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["figures", "extra"]
nitpicky = False

# Pages are Markdown; docstrings are written with Markdown's single backticks for code.
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
default_role = "code"

autodoc_class_signature = "separated"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "symdiff"
html_static_path = ["_static"]
html_extra_path = ["extra"]  # pages of their own, at the root of the site
html_css_files = ["symdiff.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def _generate(_: Any) -> None:
    """Write the pages and the figures that symdiff itself knows what to put into."""
    from docsite import figures, reference

    reference.write(DOCS / "reference")
    figures.write(DOCS / "figures")
    figures.write_pages(DOCS / "extra")


def setup(app: Any) -> None:
    app.connect("builder-inited", _generate)
