"""A job that runs text, for tests; the zygote finds this file only because `sandboxes.text_sandbox` puts it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def run_text(given: Mapping[str, memoryview], tell: Callable[..., bool] | None = None) -> tuple[dict[str, Any], bytes]:
    """Run the text in `source`; it finds `given` and `tell`, and leaves `header` and `blob`."""
    names: dict[str, Any] = {"given": given, "tell": tell, "header": {}, "blob": b""}
    exec(bytes(given["source"]).decode(), names)
    return names["header"], names["blob"]
