"""Which code prices: a hash of this package's sources."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


def package_folder() -> Path:
    """Where this package's sources lie."""
    return Path(__file__).parent


@cache
def source_hash() -> str:
    """Hex digest of the package's Python sources, 16 digits: changes whenever any of them does.

    Numba's disk cache looks at the compiled function's own file only; keyed by this, ``NUMBA_CACHE_DIR`` is never stale.
    """
    digest = hashlib.sha256()
    for item in sorted(package_folder().glob("*.py")):
        digest.update(item.name.encode() + b"\0" + item.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
