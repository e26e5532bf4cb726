"""The files that pages load: style, two small scripts, htmx and KaTeX, all from this package."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"


def asset_text(name: str) -> str:
    """The text of a file that ships with the pages."""
    return (STATIC / name).read_text(encoding="utf-8")


@lru_cache
def asset_url(name: str) -> str:
    """The address of a file, with what it holds in it: a browser may then keep it."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]}"
