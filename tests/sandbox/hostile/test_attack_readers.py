"""Frames, weights and predictions of strangers: reading them runs nothing, and takes no more memory than they are."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import numpy as np
import pytest
from attacks import FIND_RESULT, SOME, Place
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from sandboxes import children_of, run, until, zygote_of

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.evaluation import Evaluator
from archsearch.evaluation import evaluator as room
from archsearch.evaluation.failures import FailedError
from archsearch.evaluation.predictions import Asked, bytes_of, read_predictions
from archsearch.evaluation.weights import read_weights
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part
from archsearch.problem.trajectories import Trajectories
from archsearch.sandbox.frames import LENGTHS, MAGIC, FrameError, FrameReader
from archsearch.sandbox.tiers import Tier, probe
from archsearch.settings import FitSettings, Limits, RunSettings

needs_walls = pytest.mark.skipif(probe() is Tier.NONE, reason="this kernel has no walls")
CAP = 1 << 20
MANY = settings(max_examples=500, deadline=None)
HONEST = save({"param.a": np.array(0.5), "net.f.weight_0": np.ones((30, 40))})


class Bomb:
    """A pickle of it ends the process that reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def _asked() -> dict[str, Asked]:
    times = np.tile(np.arange(8.0), (4, 1))
    trajectories = Trajectories(tuple("abcd"), times, np.zeros((4, 8, 2)), np.zeros((4, 8, 0)), np.full(4, 8))
    everything = np.ones((4, 8), dtype=bool)
    return {"one": Asked(Part(trajectories, everything, everything, "first"), dense=3, gates=("t",))}


ASKED = _asked()


def read_frame(content: bytes) -> None:
    reader = FrameReader(CAP, exact=False)
    for start in range(0, len(content), 4096):
        reader.feed(content[start : start + 4096])
    reader.finish()


READERS: dict[str, Callable[[bytes], object]] = {
    "frames": read_frame,
    "weights": read_weights,
    "predictions": lambda content: read_predictions(content, ASKED),
}
REFUSALS = (FrameError, FailedError)


class Account:
    """The interpreter's own account of what it does, kept while somebody asks; hooks stay for good: one is enough."""

    EVENTS = ("pickle", "exec", "compile", "open", "os.", "subprocess", "import", "ctypes")

    def __init__(self) -> None:
        self._found: list[str] | None = None
        self._hooked = False

    @contextmanager
    def nothing_run(self) -> Iterator[None]:
        """No unpickler is made, no code compiled or executed, no file or process opened."""
        if not self._hooked:
            sys.addaudithook(self._note)
            self._hooked = True
        found = self._found = []
        try:
            yield
        finally:
            self._found = None
        assert found == []

    def _note(self, event: str, _: object) -> None:
        if self._found is not None and event.startswith(self.EVENTS):
            self._found.append(event)


ACCOUNT = Account()


def framed(content: bytes) -> bytes:
    return LENGTHS.pack(MAGIC, 2, len(content)) + b"{}" + content


def damaged(content: bytes, seed: int) -> bytes:
    """With a few bytes changed, left out or repeated."""
    generator, found = random.Random(seed), bytearray(content)
    for _ in range(generator.randint(1, 6)):
        at, kind = generator.randrange(len(found)), generator.randrange(3)
        if kind == 0:
            found[at] = generator.randrange(256)
        elif kind == 1 and len(found) > 8:
            del found[at : at + generator.randint(1, 8)]
        else:
            found[at:at] = found[at : at + generator.randint(1, 64)]
    return bytes(found)


BOMBS = [pickle.dumps(Bomb(), protocol) for protocol in range(6)]
hostile = (
    st.binary(max_size=2000)
    | st.sampled_from([*BOMBS, *map(framed, BOMBS), framed(HONEST), HONEST, bytes(bytes_of(ASKED))])
    | st.integers(0, 1 << 32).map(lambda seed: damaged(HONEST, seed))
    | st.integers(0, 1 << 32).map(lambda seed: damaged(framed(HONEST), seed))
    | st.builds(lambda size, rest: struct.pack("<Q", size) + rest, st.integers(0, 2**64 - 1), st.binary(max_size=99))
    | st.binary(max_size=8).map(lambda end: BOMBS[2] + bytes(bytes_of(ASKED) - len(BOMBS[2]) - len(end)) + end)
)


@pytest.mark.parametrize("name", READERS)
@given(content=hostile)
@MANY
def test_any_bytes_are_read_or_refused_and_nothing_is_run(name: str, content: bytes) -> None:
    with ACCOUNT.nothing_run(), suppress(*REFUSALS):
        READERS[name](content)


def test_the_watch_on_the_interpreter_works() -> None:
    for deed in (lambda: pickle.loads(pickle.dumps(os.getcwd)), lambda: eval("1"), lambda: open("/dev/null").close()):
        with pytest.raises(AssertionError), ACCOUNT.nothing_run():
            deed()


def large_lies() -> list[bytes]:
    """Small contents that say that they are large."""
    entry = {"dtype": "F64", "shape": [1 << 27], "data_offsets": [0, 1 << 30]}
    huge = json.dumps({"a": entry}).encode()
    empty = json.dumps({"a": {"dtype": "F64", "shape": [0, 10**17], "data_offsets": [0, 0]}}).encode()
    return [
        LENGTHS.pack(MAGIC, 2, CAP) + b"{}",
        LENGTHS.pack(MAGIC, 2**32 - 1, 2**64 - 1),
        *(struct.pack("<Q", len(header)) + header for header in (huge, empty)),
        struct.pack("<Q", 1 << 62) + b"{}",
    ]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("which", range(5))
def test_a_lie_about_its_size_costs_no_memory(name: str, which: int) -> None:
    content = large_lies()[which]
    assert _most_memory(READERS[name], content) < 1 << 19


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("mb", [2, 8])
def test_more_than_the_cap_takes_no_more_than_the_cap(name: str, mb: int) -> None:
    """What is too long is never kept whole; weights and predictions come through a frame, which is where it ends."""
    content = framed(bytes(mb << 20)) if name == "frames" else bytes(mb << 20)
    assert _most_memory(READERS[name], content) < CAP


def _most_memory(read: Callable[[bytes], object], content: bytes) -> int:
    tracemalloc.start()
    try:
        with suppress(*REFUSALS):
            read(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@SOME
def test_random_bytes_through_a_real_pipe_never_raise(where: Place) -> None:
    """A hundred jobs, each with bytes of its own for a frame; the same zygote serves the next."""
    source = """
import os, random
from archsearch.sandbox.frames import LENGTHS, MAGIC, frame_head
generator = random.Random(int(bytes(given["seed"])))
content = bytearray(frame_head({"a": [1, 2.5, "x"]}, 40) + bytes(40))
for _ in range(generator.randint(1, 9)): content[generator.randrange(len(content))] = generator.randrange(256)
if generator.random() < 0.3: content = generator.randbytes(generator.randrange(300))
os.write(RESULT, content[:generator.randint(0, 2 * len(content))])
os._exit(0)
"""
    for seed in range(100):
        report = run(where.sandbox, FIND_RESULT + source, seed=str(seed).encode())
        assert (report.header is None) == (report.blob is None) == (report.bad is not None)
    assert run(where.sandbox, "blob = b'next'").blob == b"next"


# ---- as much as a candidate likes ------------------------------------------------------------------------------------

MANY_TERMS = """

import archsearch.training.jobs as jobs
_declared = jobs._declared
jobs._declared = lambda *a: {**_declared(*a), "terms": [*_declared(*a)["terms"], *(f"t{i}" for i in range(40))]}
"""


@pytest.fixture(scope="module")
def lynx() -> Iterator[tuple[Evaluator, str]]:
    """An evaluator, and an honest candidate."""
    problem = load_problem("hare_lynx")
    settings = RunSettings(fit=FitSettings(least_squares_steps=5), limits=Limits(wall_seconds=60.0, memory_mb=1024))
    with closing(Evaluator(problem, settings)) as made:
        yield made, render(Genome(), problem.space)


@needs_walls
def test_what_a_candidate_says_of_its_terms_does_not_decide_how_much_is_read(
    lynx: tuple[Evaluator, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator, source = lynx
    asked: list[int | None] = []
    run_job = evaluator._sandbox.run
    monkeypatch.setattr(evaluator._sandbox, "run", lambda *a: asked.append(a[2]) or run_job(*a))
    monkeypatch.setattr(room, "check", lambda source, space: [])
    honest, more = (evaluator.evaluate(Candidate(text, "llm"), 0).evaluation for text in (source, source + MANY_TERMS))
    assert len(asked) == 6, "a fit and two predictions each; the second is of a part that is drawn by its source"
    assert asked[1] == asked[4]
    assert honest.status == more.status == "ok"
    assert set(more.terms) == set(honest.terms)
    assert any(term.ablated_nrmse for term in more.terms.values())


@needs_walls
@pytest.mark.parametrize("which", ["fit", "predictions"])
def test_no_memory_to_read_a_result_is_a_failure_of_that_candidate_alone(
    lynx: tuple[Evaluator, str], monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    evaluator, source = lynx
    jobs = 1 if which == "fit" else 2
    made: list[FrameReader] = []
    feed = FrameReader.feed

    def feed_with_little_memory(self: FrameReader, piece: bytes) -> None:
        made.extend([self] if self not in made else [])
        if len(made) == jobs:
            raise MemoryError
        feed(self, piece)

    with monkeypatch.context() as patch:
        patch.setattr(FrameReader, "feed", feed_with_little_memory)
        failure = evaluator.evaluate(Candidate(source, "llm"), 0).evaluation.failure
    assert failure is not None
    assert (failure.kind, "no memory left" in failure.message) == ("memory", True)
    assert until(lambda: children_of(zygote_of(evaluator._sandbox)) == [], 5)
    assert evaluator.evaluate(Candidate(source, "llm"), 1).evaluation.status == "ok"
