"""One zygote for all tests that need no limits of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandboxes import text_sandbox

from archsearch.sandbox.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with text_sandbox() as made:
        yield made
