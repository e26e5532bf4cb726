"""The language proposer: resumable, never broken by a reply, and honest when the LLM is out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from language_fakes import FakeLlm, FakeMemory, evaluation

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation, Failure
from archsearch.llm.outage import Outage
from archsearch.problem.loading import load_problem
from archsearch.proposers.base import Proposer
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import MOST_OUTAGES, LanguageProposer
from archsearch.proposers.memory import Past, Wishes
from archsearch.proposers.progress import in_full, stage
from archsearch.proposers.questions import ROUND, Questions

PROBLEM = load_problem("bioreactor")
MONOD = [{"gene": "term.growth_rate", "value": "monod"}]
GENERATION = 4


def edits(claim: str, gene: str, value: str, parent: str = "0") -> dict[str, Any]:
    return {"claim": claim, "parent": parent, "edits": [{"gene": gene, "value": value}]}


LAWS = [edits(f"{law} law", "term.growth_rate", law) for law in ("monod", "haldane", "contois")]


def proposer(llm: FakeLlm, memory: FakeMemory, told: list[str] | None = None) -> LanguageProposer:
    said = [] if told is None else told
    questions = Questions(PROBLEM, memory, GENERATION)
    return LanguageProposer(questions, llm, GrammarProposer(PROBLEM.space, 0), said.append)


def propose(asking: Proposer, memory: FakeMemory, count: int, history: tuple[Evaluation, ...] = ()) -> list[Candidate]:
    """The next candidates, remembered like a search does."""
    found = []
    for _ in range(count):
        index = len(memory.past)
        taken = frozenset(item.candidate.id for item in memory.past)
        known = [item for item in history if item.number <= index - GENERATION]
        candidate = asking.propose(known, taken, index)
        assert candidate is not None
        assert candidate.id not in taken
        memory.past.append(Past(index, candidate))
        found.append(candidate)
    return found


def test_the_baselines_come_first_and_ask_nobody() -> None:
    llm, memory = FakeLlm(), FakeMemory()
    assert [item.author for item in propose(proposer(llm, memory), memory, 3)] == ["grammar"] * 3
    assert llm.asked == []


def test_one_reply_feeds_several_proposals() -> None:
    llm, memory = FakeLlm([{"proposals": LAWS}]), FakeMemory()
    found = propose(proposer(llm, memory), memory, 3 + ROUND)
    assert [item.claim for item in found[3:]] == ["monod law", "haldane law", "contois law"]
    assert [item.author for item in found[3:]] == ["llm"] * 3
    assert len(llm.asked) == 1


def test_a_search_that_is_resumed_within_a_round_asks_the_same_question() -> None:
    llm, memory = FakeLlm(answers=lambda question: {"proposals": LAWS}), FakeMemory()
    found = propose(proposer(llm, memory), memory, 4)
    found += propose(proposer(llm, memory), memory, 2)  # as if in another process
    assert [item.claim for item in found[3:]] == ["monod law", "haldane law", "contois law"]
    assert llm.asked[0] == llm.asked[1]
    assert llm.occasions == ["proposals from 3 on"] * 2


def test_evaluations_of_the_same_round_change_nothing() -> None:
    memory = FakeMemory()
    asking = proposer(FakeLlm(), memory).questions
    before = asking.conversation((), 3)
    later = evaluation(Candidate("x = 1", "llm"), 0, 0.5)
    assert asking.conversation((later,), 3) == before
    assert asking.conversation((later,), 6) != before


def test_what_a_reply_does_not_fill_is_left_to_the_grammar() -> None:
    llm, memory = FakeLlm([{"proposals": LAWS[:1]}]), FakeMemory()
    assert [item.author for item in propose(proposer(llm, memory), memory, 6)[3:]] == ["llm", "grammar", "grammar"]


def test_the_repair_turn_tells_everything_and_mends() -> None:
    broken = edits("wrong", "term.growth_rate", "blackman")
    code = {"claim": "code", "source": "class Candidate:\n    pass"}
    llm = FakeLlm([{"proposals": [LAWS[0], broken, code]}, {"proposals": [LAWS[1], LAWS[2]]}])
    memory = FakeMemory()
    found = propose(proposer(llm, memory), memory, 6)
    assert [item.claim for item in found[3:]] == ["monod law", "haldane law", "contois law"]
    repair = llm.asked[1][-1].text
    assert "Of your 3 proposals 1 can be trained" in repair
    assert "It may be: given, monod, haldane, contois." in repair
    assert "Candidate is not a plain HybridModel" in repair
    assert llm.asked[1][:2] == llm.asked[0]


def test_what_is_wrong_after_the_repair_is_proposed_last_for_the_search_to_refuse() -> None:
    code = {"claim": "code", "source": "class Candidate:\n    pass"}
    llm, memory = FakeLlm([{"proposals": [code, LAWS[0]]}, {"proposals": [code]}]), FakeMemory()
    found = propose(proposer(llm, memory), memory, 6)
    assert [item.claim for item in found[3:5]] == ["monod law", "code"]
    assert found[5].author == "grammar"


def test_a_round_of_nonsense_still_gets_on() -> None:
    code = [{"claim": f"code {k}", "source": f"class Candidate{k}:\n    pass"} for k in range(3)]
    llm, memory = FakeLlm(answers=lambda question: {"proposals": code}), FakeMemory()
    authors = [item.author for item in propose(proposer(llm, memory), memory, 9)]
    assert authors[3:6] == ["llm", "llm", "grammar"]
    assert "grammar" in authors[6:]


def test_an_outage_is_told_and_the_grammar_goes_on() -> None:
    told: list[str] = []
    llm, memory = FakeLlm([Outage("rate_limit", "Too many requests.", "Wait.")]), FakeMemory()
    found = propose(proposer(llm, memory, told=told), memory, 6)
    alone = FakeMemory()
    assert found == propose(GrammarProposer(PROBLEM.space, 0), alone, 6)
    (note,) = told
    assert note.startswith("No reply from the LLM for the proposals from 3 on (rate_limit): Too many requests. Wait.")
    assert note.endswith("asked again later.")


@pytest.mark.parametrize(("kind", "questions"), [("key", 1), ("network", MOST_OUTAGES)])
def test_an_llm_that_stays_out_is_not_asked_for_ever(kind: Any, questions: int) -> None:
    told: list[str] = []
    llm, memory = FakeLlm(answers=lambda question: Outage(kind, "Out.")), FakeMemory()
    propose(proposer(llm, memory, told=told), memory, 6 + 3 * MOST_OUTAGES)
    assert len(llm.asked) == questions == len(told)
    assert told[-1].endswith("It is not asked again.")


def test_an_outage_in_the_repair_turn_keeps_what_was_good() -> None:
    broken = edits("wrong", "term.growth_rate", "blackman")
    llm, memory = FakeLlm([{"proposals": [broken, LAWS[0]]}, Outage("empty", "Nothing came.")]), FakeMemory()
    assert [item.author for item in propose(proposer(llm, memory), memory, 5)[3:]] == ["llm", "grammar"]


def test_the_static_prefix_comes_first_and_is_the_same_in_every_question() -> None:
    memory = FakeMemory()
    asking = proposer(FakeLlm(), memory).questions
    head, first = asking.conversation((), 3)
    again, second = asking.conversation((evaluation(Candidate("a", "p"), 0, 1.0),), 6)
    assert head == again
    same = next(place for place, (a, b) in enumerate(zip(first.text, second.text, strict=False)) if a != b)
    assert first.text[:same].endswith("# What was tried so far\n\n")


def told_of(*history: Evaluation, memory: FakeMemory | None = None, index: int = 12) -> str:
    known = memory or FakeMemory()
    return str(proposer(FakeLlm(), known).questions.conversation(history, index)[1].text)


def test_feedback_holds_what_a_scientist_would_ask_for() -> None:
    source = "# the source of number 2"
    candidate = Candidate(source, "llm", "Growth saturates.", rationale="Because cells are full.")
    shape = PROBLEM.train.trajectories.states.shape
    past = [Past(2, candidate), Past(3, Candidate("# 3", "llm", "Refused."), "It eats itself.")]
    drift = np.linspace(0, 1, shape[1])[None, :, None]
    memory = FakeMemory(
        past=[*past, Past(4, Candidate("# 4", "llm", "Waits."))],
        wanted=Wishes(("Look at S.",), ("uptake",), ("growth",)),
        predictions={2: {"states": PROBLEM.train.trajectories.states + drift}},
    )
    failure = Failure(kind="diverged", message="It blew up.", remedy="Bound it.")
    failed = Evaluation.of(Candidate("# 1", "llm", "Grows."), 1, failure)
    told = told_of(evaluation(candidate, 2, 0.123456, nets=1, mu=0.54321), failed, memory=memory)
    for expected in (
        source, "Why it was tried: Because cells are full.", "Error 0.1235", "rank 1", "X 0.1235", "b1 0.1235",
        "mu = 0.5432 +- 0.1 1/h, not identified", "growth (given) 1.235", "role add, sees S, 25 weights, 0.5 of",
        "X: rms", "autocorrelation", "1: Grows. (diverged: It blew up. Bound it.)", "3: Refused.: It eats itself.",
        "4: Waits.", "Hint: Look at S.", "Banned, never use it: uptake", "Pinned, always keep it: growth",
    ):  # fmt: skip
        assert expected in told
    assert told.rstrip().endswith("Pinned, always keep it: growth")
    assert "9.877" not in told
    assert "9.87654" not in told


def test_preferences_are_told_with_their_reasons() -> None:
    past = [Past(7, Candidate("# 7", "llm", "It saturates.")), Past(9, Candidate("# 9", "llm", "It does not."))]
    wanted = Wishes(preferences=((7, 9), (9, 12)), reasons=("enzymes do",))
    told = told_of(memory=FakeMemory(past=past, wanted=wanted))
    seven, nine = '7 (which claims "It saturates.")', '9 (which claims "It does not.")'
    assert f"- Number {seven} is preferred to number {nine}, because: enzymes do\n" in told
    assert f"- Number {nine} is preferred to number 12\n" in told


def test_what_breaks_a_ban_or_a_pin_is_turned_back_and_mended() -> None:
    llm = FakeLlm([{"proposals": LAWS}, {"proposals": [edits("again", "slot.kinetics", "scale")]}])
    memory = FakeMemory(wanted=Wishes(bans=("monod",), pins=("growth_rate",)))
    found = propose(proposer(llm, memory), memory, 4)
    assert found[-1].claim == "again"
    repair = llm.asked[-1][-1].text
    assert "It uses the term 'monod', which is banned. Change that." in repair
    assert repair.count("It does not use the term 'growth_rate', which is pinned. Change that.") == 3


def test_the_baselines_are_no_matter_of_bans() -> None:
    memory = FakeMemory(wanted=Wishes(bans=("growth_rate", "kinetics")))
    assert [item.author for item in propose(proposer(FakeLlm(), memory), memory, 3)] == ["grammar"] * 3


def test_laws_come_before_nets_and_nets_become_laws() -> None:
    def fitting(error: float, nets: int, number: int) -> Evaluation:
        return evaluation(Candidate(f"# {number}", "llm"), number, error, nets=nets)

    laws = [fitting(0.5, 0, number) for number in range(4)]
    assert stage(laws[:3]) == "laws"
    assert stage([*laws[:3], fitting(0.1, 1, 7)]) == "laws"
    assert stage(laws) == "nets"
    assert stage([*laws, fitting(0.499, 1, 7)]) == "nets"
    assert stage([*laws, fitting(0.1, 1, 7)]) == "distil"


def test_candidates_in_full_are_the_best_and_those_of_other_kinds() -> None:
    alike = [evaluation(Candidate(f"# {k}", "llm"), k, 0.1 + k / 100, a=1.0) for k in range(5)]
    other = evaluation(Candidate("# other", "llm"), 9, 0.9, b=1.0)
    assert [item.number for item in in_full([*alike, other])] == [0, 9]


def test_a_grammar_at_its_end_does_not_end_a_search_while_the_llm_has_ideas() -> None:
    class Exhausted(GrammarProposer):
        def propose(self, history: Any, taken: Any, index: int) -> Candidate | None:
            return super().propose(history, taken, index) if index < 3 else None

    llm = FakeLlm([{"proposals": LAWS[:1]}, {"proposals": LAWS[1:2]}])
    memory = FakeMemory()
    asking = LanguageProposer(Questions(PROBLEM, memory, GENERATION), llm, Exhausted(PROBLEM.space, 0))
    assert [item.claim for item in propose(asking, memory, 5)[3:]] == ["monod law", "haldane law"]
