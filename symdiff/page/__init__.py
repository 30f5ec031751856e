"""Pages of HTML that are one file: styles, scripts and data are in them, and nothing is loaded.

What all pages have in common is here: colours for light and dark, the switch between them, and a
policy by which browsers refuse whatever would come from elsewhere.
"""

from symdiff.page.colours import Colours
from symdiff.page.document import asset, document, frame
from symdiff.page.mathml import mathml

__all__ = ["Colours", "asset", "document", "frame", "mathml"]
