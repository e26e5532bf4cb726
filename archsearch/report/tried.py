"""What was tried: failures by what happened, and what each choice of the search was worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from archsearch.candidate.outcome import Evaluation


@dataclass(frozen=True)
class FailureGroup:
    """Candidates that failed in the same way.

    Attributes:
        kind: the kind of failure.
        message: what happened, in one sentence.
        remedy: what to do about it.
        candidates: number and claim of each.
    """

    kind: str
    message: str
    remedy: str
    candidates: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Choice:
    """One choice of the search with its options.

    Attributes:
        name: the gene, e.g. `term.predation`.
        options: for each its text, how many candidates had it, and the least error of them (None: all failed).
    """

    name: str
    options: tuple[tuple[str, int, float | None], ...]


def failure_groups(evaluations: Sequence[Evaluation]) -> tuple[FailureGroup, ...]:
    """The failures by kind and sentence, the most frequent first."""
    groups: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for item in evaluations:
        if item.failure is not None:
            key = (item.failure.kind, item.failure.message, item.failure.remedy)
            groups[key].append((item.number, item.claim))
    found = [FailureGroup(*key, tuple(candidates)) for key, candidates in groups.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.candidates), group.kind)))


def choices(evaluations: Sequence[Evaluation]) -> tuple[Choice, ...]:
    """What each choice of the search was worth: the least error with each of its options, where there were several."""
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for item in evaluations:
        for name, option in (item.genome or {}).items():
            errors[name][_option(option)].append(item.error)
    found = []
    for name, options in errors.items():
        if len(options) > 1:
            rows = [(text, len(values), min(values)) for text, values in options.items()]
            rows.sort(key=lambda row: row[2])
            options_shown = tuple((text, count, None if best == float("inf") else best) for text, count, best in rows)
            found.append(Choice(name, options_shown))
    return tuple(found)


def _option(value: str | float | int | bool) -> str:
    """An option as a person says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
