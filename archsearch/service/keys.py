"""What proves that a request comes from the person who was given the address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field


def _drawn() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Keys:
    """Three random texts of one server; none of them is ever written to a file, and only `form` is ever on a page.

    Attributes:
        token: stands in the address that is printed, and in the header of programs that use the API.
        session: what a browser that showed the token holds in its cookie.
        form: what every form sends along, so that no other page can send it.
    """

    token: str = field(default_factory=_drawn, repr=False)
    session: str = field(default_factory=_drawn, repr=False)
    form: str = field(default_factory=_drawn, repr=False)


def same(given: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return secrets.compare_digest(given.encode(), expected.encode())
