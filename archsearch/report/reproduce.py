"""How to reproduce a run: commands, seeds, versions, fingerprints."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsearch.candidate.outcome import Evaluation
from archsearch.settings import RunSettings

if TYPE_CHECKING:
    from archsearch.study.store import Study


@dataclass(frozen=True)
class Command:
    """A command line, with what it does."""

    label: str
    line: str


@dataclass(frozen=True)
class Reproduction:
    """What a stranger needs to get the same.

    Attributes:
        commands: to search again, and to use what was found.
        facts: name and value: seeds, fingerprints, versions, machine.
        promise: what is the same in a second search, and what is not.
    """

    commands: tuple[Command, ...]
    facts: tuple[tuple[str, str], ...]
    promise: str


def reproduction(study: Study, best: Evaluation | None, *, has_test: bool, steered: bool) -> Reproduction:
    """How to get all of a report again.

    Args:
        study: the run.
        best: its best model; None if nothing fits.
        has_test: whether data are sealed.
        steered: whether persons decided or wished anything.
    """
    return Reproduction(_commands(study, best, has_test), _facts(study), _promise(study.settings, steered))


def _commands(study: Study, best: Evaluation | None, has_test: bool) -> tuple[Command, ...]:
    found = [Command("Search again", shlex.join(_search(study)))]
    if best is not None:
        for label, *words in (
            ("Export the best model as Python", "export", study.id, str(best.number)),
            ("Its equations as LaTeX", "export", study.id, str(best.number), "--format", "latex"),
            ("Its equations as Markdown", "export", study.id, str(best.number), "--format", "markdown"),
            ("See its source", "show", study.id, str(best.number)),
        ):
            found.append(Command(label, shlex.join(["archsearch", *words])))
    if best is not None and has_test:
        found.append(Command("Score it on the sealed test data", f"archsearch score {shlex.quote(study.id)} --on test"))
    return tuple(found)


def _search(study: Study) -> list[str]:
    """The command that repeats a run: with its recorded replies where an LLM took part."""
    settings = study.settings
    if settings.proposer in ("llm", "both"):
        return ["archsearch", "run", study.space_request, "--replay", study.id]
    trials, minutes = study.record.trials(len(study.evaluations())), study.record.budget.minutes
    words = ["archsearch", "run", study.space_request, "--trials", str(trials)]
    if minutes is not None:
        words += ["--minutes", f"{minutes:g}"]
    return [*words, "--seed", str(settings.seed), "--workers", str(settings.workers)]


def _promise(settings: RunSettings, steered: bool) -> str:
    same = "the same candidates in the same order, with the same errors on the same versions and processor"
    if settings.proposer in ("llm", "both"):
        same = f"with the recorded replies of the LLM, {same}; without them the LLM may say something else"
    told = f"Searching again gives {same}."
    if steered:
        told += " Decisions and wishes of persons are no part of it: proposals that followed them will differ."
    return told


def _facts(study: Study) -> tuple[tuple[str, str], ...]:
    record = study.record
    versions = ", ".join(f"{name} {version}" for name, version in record.packages.items())
    facts = {
        "run": study.id,
        "begun": record.created[:19].replace("T", " ") + " UTC",
        "seeds": ", ".join(f"{name} {seed}" for name, seed in record.seeds.items()),
        "space and data": f"SHA-256 {record.problem.fingerprint}",
        "packages": versions,
        "Python": f"{record.python} on {record.platform}",
        "git revision": record.revision or "",
        "walls": record.sandbox,
    }
    return tuple((name, value) for name, value in facts.items() if value)
