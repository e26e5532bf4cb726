"""Grammar and LLM share a search by what each gained per second."""

from __future__ import annotations

from language_fakes import FakeLlm, FakeMemory, evaluation

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.outcome import Evaluation
from archsearch.problem.loading import load_problem
from archsearch.proposers.both import ENOUGH, LEAST, Arm, BothProposer
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.language import LanguageProposer
from archsearch.proposers.memory import Given, Past
from archsearch.proposers.questions import ROUND, Questions

PROBLEM = load_problem("bioreactor")
BEGINS = range(30, 30 + 200 * ROUND, ROUND)


def both(**more: object) -> BothProposer:
    grammar = GrammarProposer(PROBLEM.space, 0)
    language = LanguageProposer(Questions(PROBLEM, FakeMemory(), 4), FakeLlm(), grammar)
    return BothProposer(language, grammar, seed=0, **more)  # type: ignore[arg-type]  # by their names


def past(llm: list[float], grammar: list[float], llm_seconds: float = 2.0) -> list[Evaluation]:
    """Evaluations after a baseline of error 1, in turn by the LLM and by the grammar."""
    found = [evaluation(Candidate("base", "grammar"), 0, 1.0)]
    for pair in zip(llm, grammar, strict=True):
        for author, error in zip(("llm", "grammar"), pair, strict=True):
            number = len(found) + 2
            seconds = llm_seconds if author == "llm" else 2.0
            item = evaluation(Candidate(f"# {number}", author), number, error)
            found.append(item.model_copy(update={"seconds": seconds}))
    return found


def share(proposer: BothProposer, history: list[Evaluation]) -> float:
    return sum(proposer.arm(history, begin) == "llm" for begin in BEGINS) / len(BEGINS)


BETTER, NOTHING = [0.8, 0.6, 0.4, 0.3], [2.0, 2.0, 2.0, 2.0]


def test_the_rounds_alternate_until_both_are_known() -> None:
    proposer = both()
    arms = [proposer.arm([], 3 + place) for place in range(3 * ROUND)]
    assert arms == ["llm"] * ROUND + ["grammar"] * ROUND + ["llm"] * ROUND


def test_who_gains_gets_more_and_nobody_gets_nothing() -> None:
    proposer = both()
    assert share(proposer, past(BETTER, NOTHING)) > 0.7
    assert share(proposer, past(NOTHING, BETTER)) < 0.3
    assert share(proposer, past(NOTHING, BETTER)) > LEAST / 2
    assert 0.4 < share(proposer, past(NOTHING, NOTHING)) < 0.6


def test_the_same_gain_in_more_time_is_less() -> None:
    alike = [0.8, 0.5, 0.3, 0.1]
    quick, slow = past(alike, [0.7, 0.4, 0.2, 0.05]), past(alike, [0.7, 0.4, 0.2, 0.05], llm_seconds=60.0)
    assert share(both(), slow) < share(both(), quick) - 0.1


def test_the_time_of_asking_counts() -> None:
    history = past([0.8, 0.5, 0.3, 0.1], [0.7, 0.4, 0.2, 0.05])
    asked: list[int] = []

    def seconds(number: int) -> float:
        asked.append(number)
        return 400.0

    assert share(both(asking_seconds=seconds), history) < share(both(), history) - 0.1
    assert asked == list(BEGINS)


def test_decisions_do_not_hang_on_what_came_after_the_round_began() -> None:
    proposer = both()
    history = past(BETTER, NOTHING)
    later = [evaluation(Candidate(f"later {k}", "grammar"), 200 + k, 1e-6) for k in range(3)]
    before = [proposer.arm(history, k) for k in (30, 31, 32)]
    assert before == [proposer.arm([*history, *later], k) for k in (30, 31, 32)]
    assert len(set(before)) == 1


def test_a_repeated_search_goes_the_way_of_the_first() -> None:
    def repeated(begin: int) -> Arm | None:
        return "grammar" if begin == 3 else None

    assert both(repeated=repeated).arm([], 3) == "grammar"
    assert both(repeated=repeated).arm([], 9) == "llm"


def test_failures_gain_nothing_and_cost_their_time() -> None:
    failed = Evaluation.of(Candidate("# broken", "llm"), 5).model_copy(update={"seconds": 50.0})
    history = [evaluation(Candidate("base", "grammar"), 0, 1.0), failed]
    earned = both().earned(history, 30)
    assert (earned["llm"].gain, earned["llm"].seconds, earned["llm"].evaluations) == (0.0, 50.0, 1)


def test_while_enough_of_its_proposals_wait_for_a_person_the_llm_is_not_asked() -> None:
    waiting = [Past(number, Candidate(f"{number}", "llm"), waits=True) for number in range(3, 3 + ENOUGH)]
    for waits, arms in ((waiting, {"grammar"}), (waiting[1:], {"llm", "grammar"})):
        grammar = GrammarProposer(PROBLEM.space, 0)
        language = LanguageProposer(Questions(PROBLEM, Given(waits), 4), FakeLlm(), grammar)
        proposer = BothProposer(language, grammar, seed=0)
        assert {proposer.arm((), begin) for begin in BEGINS} == arms
