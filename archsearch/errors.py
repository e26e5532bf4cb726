"""The errors that a user may see, each with its exit code and its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArchsearchError(Exception):
    """Something that the user must hear about, in one clear message.

    Args:
        message: what was expected and what was found.
        remedy: what to do about it.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class RequestError(ArchsearchError):
    """The request was wrong: a flag, a name, a path."""


class SpaceError(ArchsearchError):
    """A space file is wrong; carries every finding, not only the first."""

    def __init__(self, findings: list[str], source: str) -> None:
        noun = "thing is" if len(findings) == 1 else "things are"
        lines = "\n".join(f"  - {finding}" for finding in findings)
        super().__init__(f"{source}: {len(findings)} {noun} wrong\n{lines}")
        self.findings = tuple(findings)


class DataError(ArchsearchError):
    """A data file is missing, unreadable or does not hold what the space says."""


class RunError(ArchsearchError):
    """A run folder is missing, damaged, or not what was asked for."""


class MachineError(ArchsearchError):
    """This machine lacks something that was asked for."""

    exit_code = 3


class NothingFoundError(ArchsearchError):
    """The search ran, and no candidate fits."""

    exit_code = 1


def did_you_mean(found: str, choices: Iterable[str]) -> str:
    """The end of a sentence, `; did you mean 'x'?`, or nothing if no choice is close."""
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(found.lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean '{lowered[close[0]]}'?" if close else ""
