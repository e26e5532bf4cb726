"""Why a question to an LLM has no answer."""

from __future__ import annotations

from typing import Literal, get_args

from archsearch.errors import ArchsearchError

Kind = Literal[
    "key",
    "model",
    "endpoint",
    "network",
    "timeout",
    "rate_limit",
    "quota",
    "server",
    "refused",
    "too_long",
    "too_large",
    "filtered",
    "declined",
    "truncated",
    "empty",
    "invalid",
    "tools",
    "budget",
    "not_recorded",
    "client",
]
"""What went wrong; docs/llm.md says what each means and what to do about it."""
KINDS: tuple[Kind, ...] = get_args(Kind)
LASTING: frozenset[Kind] = frozenset({"key", "model", "endpoint", "quota", "budget"})
"""Those that asking again in the same run does not mend."""


class Outage(ArchsearchError):  # noqa: N818 - an error for whoever asks, an outcome for a search
    """A question to an LLM has no usable answer: a kind, a sentence and a remedy.

    It is the only thing that asking raises, so whoever asks catches it and goes on without the LLM.

    Args:
        kind: what went wrong.
        message: what was expected and what was found; no key is ever in it.
        remedy: what to do about it.
    """

    exit_code = 3

    def __init__(self, kind: Kind, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.kind = kind

    @property
    def lasting(self) -> bool:
        """Whether asking again in the same run is of no use."""
        return self.kind in LASTING
