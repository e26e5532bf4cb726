"""A job that does nothing: what is run to see whether jobs run, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nothing(given: Mapping[str, memoryview]) -> tuple[dict[str, Any], bytes]:
    """An empty header and no blob."""
    return {}, b""
