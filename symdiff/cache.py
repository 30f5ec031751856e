"""The machine code that symdiff keeps on disk; see docs/cache.md.

>>> from symdiff import cache
>>> usage = cache.info()
>>> usage.size <= usage.limit
True
"""

from symdiff.runtime.cache import clear, info
from symdiff.runtime.store import Usage

__all__ = ["Usage", "clear", "info"]
