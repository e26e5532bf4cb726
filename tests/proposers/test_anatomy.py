"""Where the time of a search goes: into fits and calls, and hardly any of it into what is around them.

`pytest --junit-xml FILE tests/proposers/test_anatomy.py` writes the anatomy into FILE. Processor time is compared with
processor time, so that a machine that is busy with something else changes nothing. How long a wait for the disk is,
that machine decides; how often a search waits is ours, and is counted.
"""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from scripted_server import Asked, Exchange, serving
from scripted_server import says as answer
from test_conversation import PROBLEM, Recorded, llm

from archsearch.evaluation import Evaluator
from archsearch.executors.local import LocalExecutor
from archsearch.llm.client import Llm
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.questions import Questions
from archsearch.search import approve_all, run_search
from archsearch.settings import Budget, RunSettings
from archsearch.study import files
from archsearch.study.memory import StudyMemory, refusing
from archsearch.study.store import Study

TRIALS = 20
SHARE = 0.02
"""Of the time of a search that may be spent outside of fits and calls."""
NOTHING = nullcontext()
WAITS = 5
"""For the disk, for each evaluation: its files, their folder, a line of the record, the study's journal."""
SETTINGS = RunSettings(proposer="llm", generation=3, workers=1, budget=Budget(trials=TRIALS))


class Scripted:
    """Replies with three proposals each time, all of them new: every law with every small net."""

    def __init__(self) -> None:
        laws, sizes = ("given", "monod", "haldane", "contois"), ("4", "8", "16", "8x8", "16x16")
        self._left = [(law, size) for size in sizes for law in laws]

    def __call__(self, exchange: Exchange, asked: Asked) -> None:
        three, self._left = self._left[:3], self._left[3:]
        answer(json.dumps({"proposals": [self._proposal(*one) for one in three]}))(exchange, asked)

    def _proposal(self, law: str, size: str) -> dict[str, object]:
        genes = {} if law == "given" else {"term.growth_rate": law}
        genes |= {"slot.kinetics": "scale", "slot.kinetics.hidden": size}
        edits = [{"gene": name, "value": value} for name, value in genes.items()]
        said = {"claim": f"{law} {size}", "hypothesis": "h", "expected": [], "parent": "0", "source": ""}
        return said | {"edits": edits}


@dataclass
class Spent:
    """Seconds of one search."""

    processor: float = 0.0
    disk: float = 0.0
    fits: float = 0.0
    waits: int = 0


@contextmanager
def measuring(monkeypatch: pytest.MonkeyPatch, spent: Spent) -> Iterator[None]:
    """What this thread uses of the processor, and how long it waits until the disk has what it wrote."""
    here = threading.get_ident()

    def timed(function: Callable[..., None]) -> Callable[..., None]:
        def wait(*arguments: object) -> None:
            began, used = time.perf_counter(), time.thread_time()
            function(*arguments)
            if threading.get_ident() == here:
                spent.waits += 1
                spent.disk += time.perf_counter() - began - (time.thread_time() - used)

        return wait

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", timed(os.fsync))
        patched.setattr(files, "sync_all", timed(files.sync_all))
        began = time.thread_time()
        yield
        spent.processor = time.thread_time() - began


def search(
    folder: Path, evaluator: Evaluator | Recorded, asked: Llm, around: AbstractContextManager[object] = NOTHING
) -> Study:
    """From the first proposal to the last result; a run is made and a problem read before, once."""
    study = Study.create(folder, PROBLEM, SETTINGS, "bioreactor")
    memory, grammar = StudyMemory(study), GrammarProposer(PROBLEM.space, 0)
    proposer = LanguageProposer(Questions(PROBLEM, memory, SETTINGS.generation), asked, grammar)
    gate = refusing(memory, PROBLEM.space, approve_all)
    with around:
        run_search(PROBLEM, study, proposer, lambda: LocalExecutor(lambda: evaluator, 1), SETTINGS, gate=gate)
    return study


def seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
def test_of_a_search_with_replayed_replies_two_per_cent_are_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_testsuite_property: Callable[[str, object], None]
) -> None:
    before = seconds_of_children()
    evaluator = Evaluator(PROBLEM, SETTINGS)
    loaded = evaluator.evaluate(GrammarProposer(PROBLEM.space, 0).propose((), frozenset(), 0), 0)  # type: ignore[arg-type]  # the first is there
    assert loaded.evaluation.failure is None
    with serving(Scripted()) as server, llm(tmp_path / "first", server) as asked:
        first = search(tmp_path / "first", evaluator, asked)
    evaluator.close()  # its children are counted once they are gone
    fits = seconds_of_children() - before
    found = first.evaluations()
    assert [item.author for item in found].count("llm") == TRIALS - 3
    with llm(tmp_path / "again", None, tmp_path / "first") as replayed:
        spent = Spent()
        again = search(tmp_path / "again", Recorded(first), replayed, measuring(monkeypatch, spent))
    assert [item.candidate for item in again.evaluations()] == [item.candidate for item in found]
    spent.fits = fits * TRIALS / (TRIALS + 1)
    ours = f"processor {spent.processor:.3f} s, {spent.waits} waits for the disk, {spent.disk:.3f} s"
    shares = f"fits {spent.fits:.2f} s; ours: {ours}"
    record_testsuite_property("anatomy", shares)
    assert spent.processor < SHARE * (spent.processor + spent.fits), shares
    assert spent.waits <= WAITS * TRIALS, shares
