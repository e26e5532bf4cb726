"""Several persons and a search write to one run at the same time."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from archsearch.candidate.candidate import Candidate
from archsearch.errors import RequestError
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.settings import RunSettings
from archsearch.study.files import appending
from archsearch.study.memory import StudyMemory
from archsearch.study.proposals import read_log
from archsearch.study.reader import RunReader
from archsearch.study.record import Allow, Ban, Decision, Hint, Pin, Preference, Release
from archsearch.study.steering import AlreadyDecidedError, Steering
from archsearch.study.store import Study
from archsearch.study.wishes import allowed, wishes_at
from archsearch.study.writer import PROPOSALS

PROPOSED = 40


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem("hare_lynx")


@pytest.fixture
def study(problem: Problem, tmp_path: Path) -> Study:
    study = Study.create(tmp_path / "run", problem, RunSettings(), "hare_lynx")
    with study.writing(problem) as writer:
        for number in range(PROPOSED):
            writer.propose(number, Candidate(f"source {number}", "grammar"), 0.0)
    return study


def _decide_all(folder: Path, name: str) -> None:
    steering = Steering(Study.open(folder))
    for number in range(PROPOSED):
        try:
            steering.decide(number, Decision(approved=number % 2 == 0, by=name))
        except AlreadyDecidedError:
            continue


def test_of_two_reviewers_at_once_each_proposal_has_one_and_the_other_is_told(study: Study) -> None:
    context = multiprocessing.get_context("spawn")
    reviewers = [context.Process(target=_decide_all, args=(study.folder, name)) for name in ("ann", "bob")]
    for reviewer in reviewers:
        reviewer.start()
    for reviewer in reviewers:
        reviewer.join(60)
        assert reviewer.exitcode == 0
    lines = (study.folder / PROPOSALS).read_text().splitlines()
    assert sum('"event":"decided"' in line for line in lines) == PROPOSED
    with pytest.raises(AlreadyDecidedError, match=r"Proposal 3 is decided already: refused by (ann|bob) at 20"):
        Steering(study).decide(3, Decision(approved=True, by="cleo"))


def test_a_decision_is_on_disk_when_the_call_returns_and_the_first_stands(study: Study) -> None:
    Steering(study).decide(5, Decision(approved=False, by="ann", reason="too stiff"))
    with pytest.raises(AlreadyDecidedError, match="too stiff"):
        Steering(study).decide(5, Decision(approved=True, by="bob"))
    found = read_log(study.folder / PROPOSALS).proposals[5]
    assert found.decision == Decision(approved=False, by="ann", reason="too stiff")
    assert found.decided_at


def test_a_line_that_a_killed_process_left_half_written_harms_nobody(study: Study) -> None:
    with (study.folder / PROPOSALS).open("ab") as file:
        file.write(b'{"event":"decided","number":1,"de')
    reader = RunReader(study)
    Steering(study).decide(1, Decision(approved=True, by="ann"))
    assert reader.refresh()
    assert reader.proposals[1].decision == Decision(approved=True, by="ann")


def test_a_search_hears_what_persons_say_and_does_not_overrule_them(study: Study, problem: Problem) -> None:
    with study.writing(problem) as writer:
        Steering(study).decide(7, Decision(approved=False, by="ann"))
        assert writer.decide(7, Decision(approved=True, by="policy"), 1.0) == Decision(approved=False, by="ann")
        own = Steering(study).propose(Candidate("mine", "ann"), "ann")
        assert own == PROPOSED
        assert not writer.propose(PROPOSED, Candidate("another", "grammar"), 1.0)
        assert writer.proposals[own].candidate.author == "ann"
        assert writer.next_number() == PROPOSED + 1


def test_an_edit_must_change_something_and_be_new(study: Study) -> None:
    steering = Steering(study)
    with pytest.raises(RequestError, match="This source is that of proposal 4"):
        steering.replace(4, Candidate("source 4", "ann"), "ann")
    with pytest.raises(RequestError, match="has no proposal 99"):
        steering.replace(99, Candidate("new", "ann"), "ann")
    assert steering.waiting()[4].number == 4


def test_wishes_count_from_the_next_proposal_on_and_the_last_word_counts(study: Study, problem: Problem) -> None:
    steering = Steering(study)
    steering.wish(Ban(name="predation"), "ann")
    steering.wish(Hint(text="hares hide"), "ann")
    with study.writing(problem) as writer:
        writer.propose(PROPOSED, Candidate("next", "grammar"), 0.0)
    steering.wish(Pin(name="predation"), "bob")
    steering.wish(Pin(name="growth"), "bob")
    steering.wish(Release(name="growth"), "bob")
    steering.wish(Allow(like="grammar, no net"), "bob")
    memory = StudyMemory(study)
    assert memory.wishes(PROPOSED - 1).bans == ()
    assert memory.wishes(PROPOSED).bans == ("predation",)
    assert memory.wishes(PROPOSED).hints == ("hares hide",)
    assert memory.wishes(PROPOSED + 1).bans == ()
    assert memory.wishes(PROPOSED + 1).pins == ("predation",)
    assert allowed(steering.wishes()) == {"grammar, no net"}


def test_a_preference_needs_two_candidates_that_were_evaluated_and_the_last_word_counts(study: Study) -> None:
    steering = Steering(study)
    with pytest.raises(RequestError, match="found 3, which is not evaluated"):
        steering.wish(Preference(better=3, worse=4), "ann")
    with appending(study.folder / PROPOSALS) as append:
        for number in (3, 4):
            append(
                f'{{"version":1,"event":"evaluated","number":{number},"at":"","seconds":1.0,'
                '"candidate":"c","status":"ok","nrmse":0.5}'
            )
    with pytest.raises(RequestError, match="found 3 twice"):
        steering.wish(Preference(better=3, worse=3), "ann")
    steering.wish(Preference(better=3, worse=4, reason="flat tail"), "ann")
    line = steering.wish(Preference(better=4, worse=3, reason="on second thoughts"), "ann")
    found = wishes_at(steering.wishes(), line.number)
    assert found.preferences == ((4, 3),)
    assert found.reasons == ("on second thoughts",)


def test_threads_that_share_a_steering_see_every_line_once(study: Study) -> None:
    steering, rounds = Steering(study), 25

    def say(name: str) -> None:
        for turn in range(rounds):
            steering.wish(Hint(text=f"{name} {turn}"), name)
            steering.waiting()

    threads = [threading.Thread(target=say, args=(name,)) for name in ("ann", "bob", "cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [line.wish.text for line in steering.wishes() if isinstance(line.wish, Hint)]
    assert len(said) == len(set(said)) == 3 * rounds
