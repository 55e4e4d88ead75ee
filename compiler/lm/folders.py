"""Where replies and models are kept between runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replies_folder() -> Path:
    """BURNISH_CACHE_DIR, or `burnish` in the user's cache folder."""
    return _named("BURNISH_CACHE_DIR") or _user_cache() / "burnish"


def models_folder() -> Path:
    """BURNISH_MODELS_DIR, or `burnish/models` in the user's cache folder."""
    return _named("BURNISH_MODELS_DIR") or _user_cache() / "burnish" / "models"


def _named(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return _named("XDG_CACHE_HOME") or Path.home() / ".cache"
