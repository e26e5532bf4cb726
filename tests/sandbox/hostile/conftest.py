"""One sandbox per tier and user for all attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attacks import Place, place
from walled import NOBODY, why_not_nobody

from archsearch.sandbox.tiers import Tier, probe

HERE = probe()
A, B = Tier.LANDLOCK_SECCOMP, Tier.SECCOMP
KINDS = {"A-as_started": (A, 0), "A-unprivileged": (A, NOBODY), "B-as_started": (B, 0), "B-unprivileged": (B, NOBODY)}


@pytest.fixture(scope="session", params=KINDS)
def where(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Every tier, every user; `attacks.SOME` takes two of them, for what takes long and does not depend on both."""
    tier, user = KINDS[request.param]
    if HERE not in (A, B) or (HERE is B and tier is A):
        pytest.skip(f"this kernel cannot build the walls of {tier}")
    unable = why_not_nobody()
    if user and unable is not None:
        pytest.skip(unable)
    with place(tier, user) as found:
        yield found
