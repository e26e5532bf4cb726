"""What a person refused is remembered as that; what programs refused, and what was edited, is not."""

from __future__ import annotations

from pathlib import Path

from archsearch.candidate.candidate import Candidate
from archsearch.problem.loading import load_problem
from archsearch.settings import RunSettings
from archsearch.study.memory import EVER, StudyMemory
from archsearch.study.record import Decision
from archsearch.study.steering import Steering
from archsearch.study.store import Study


def test_only_what_a_person_refused_for_good_is_unwanted(tmp_path: Path) -> None:
    problem = load_problem("hare_lynx")
    study = Study.create(tmp_path / "run", problem, RunSettings(), "hare_lynx")
    with study.writing(problem) as writer:
        for number in range(5):
            writer.propose(number, Candidate(f"source {number}", "grammar"), 0.0)
    steering, memory = Steering(study), StudyMemory(study)
    steering.decide(0, Decision(approved=False, by="ann", reason="lynx do not eat grass"))
    steering.decide(1, Decision(approved=False, by="ann"))
    steering.decide(2, Decision(approved=False, by="wishes", reason="It uses what is banned."))
    steering.decide(3, Decision(approved=True, by="ann"))
    steering.replace(4, Candidate("source 4, edited", "ann"), by="ann", reason="with a refuge")
    assert [item.number for item in memory.unwanted(EVER)] == [0, 1]
    assert [item.number for item in memory.unwanted(1)] == [0]
    refusals = {item.number: item.refusal for item in memory.before(EVER)}
    assert refusals[0] == "the scientist refused it: lynx do not eat grass"
    assert refusals[1] == "the scientist refused it"
    assert refusals[2] == "It uses what is banned."
    assert refusals[3] == ""
    assert refusals[4].startswith("the scientist refused it: edited by ann, see 5")
