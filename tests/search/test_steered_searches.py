"""The steering test: what a person bans, pins and prefers on `bioreactor` changes what is proposed next.

The errors are those of real fits of its laws and nets (a search of ten trials), looked up instead of fitted again; one
search at the end is real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

import pytest
from search_fakes import FakeEvaluator, chance, fitted

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genes import Genes, from_parameters
from archsearch.candidate.used import used_in
from archsearch.evaluation import Evaluator, Outcome, Tell, nobody
from archsearch.executors.local import LocalExecutor
from archsearch.problem.loading import load_problem
from archsearch.proposers.baselines import candidate_of
from archsearch.proposers.grammar import GrammarProposer
from archsearch.proposers.memory import Given, Past, Wishes
from archsearch.proposers.obeying import uses
from archsearch.review.policy import policy_gate
from archsearch.review.wishing import wish_for
from archsearch.search import Event, Finished, Summary, run_search
from archsearch.settings import Budget, FitSettings, RunSettings
from archsearch.study.memory import StudyMemory
from archsearch.study.record import Ban, Pin, Preference, Wish
from archsearch.study.store import Study

PROBLEM = load_problem("bioreactor")
SPACE = PROBLEM.space
BASELINES = 3
LAWS = {"given": 3.338, "monod": 0.1496, "haldane": 0.1529, "contois": 0.2247}
"""Validation nrmse of each growth law, as fitted."""
LAWS_TO_CHOOSE = tuple(name for name in LAWS if name != "given")
NET = 0.1525
"""The same with a net in the place of the growth rate."""
ALONE, EVERYWHERE = 0.2825, 0.3147
FIVE = range(3, 8)
"""Five evaluated candidates: Monod, Haldane, Contois, a net, and what was made of these."""
START, NEXT = 12, 10
GENERATION = 4
SEEDS = range(6)


def recorded_error(candidate: Candidate, net: float = NET) -> float:
    """The error of a candidate, with two per cent of scatter that its source decides on."""
    genes = candidate.genome or {}
    if not genes["physics"]:
        return ALONE
    if genes["everywhere"]:
        return EVERYWHERE
    filled = genes.get("slot.kinetics", "empty") != "empty"
    return (net if filled else LAWS[str(genes["term.growth_rate"])]) * (1 + 0.02 * chance(candidate.id))


class Recorded(FakeEvaluator):
    """Looks errors up."""

    def __init__(self, net: float = NET) -> None:
        super().__init__(failing=0.0)
        self.net = net

    def evaluate(self, candidate: Candidate, number: int, tell: Tell = nobody) -> Outcome:
        return fitted(candidate, number, recorded_error(candidate, self.net))


def searched(
    folder: Path, evaluator: Callable[[], FakeEvaluator | Evaluator], said: dict[int, Wish], trials: int = 24
) -> tuple[Study, Summary, int]:
    """A search with what a person says while it runs, by the number of evaluations after which they say it.

    Returns:
        The run, what came of it, and the number of the first proposal that the last word counts for.
    """
    study = Study.create(folder, PROBLEM, RunSettings(workers=1), "bioreactor")
    first = wish_for(study, SPACE, said[0], "ann").number if 0 in said else 0
    done = 0

    def on_event(event: Event) -> None:
        nonlocal done, first
        done += isinstance(event, Finished)
        if isinstance(event, Finished) and done in said:
            first = wish_for(study, SPACE, said[done], "ann").number

    return study, session(study, evaluator, trials, on_event), first


def session(
    study: Study,
    evaluator: Callable[[], FakeEvaluator | Evaluator],
    trials: int,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Summary:
    settings = study.settings.model_copy(update={"budget": Budget(trials=trials)})
    proposer, gate = GrammarProposer(SPACE, 0, StudyMemory(study)), policy_gate(study, SPACE, settings)
    return run_search(PROBLEM, study, proposer, lambda: LocalExecutor(evaluator, 1), settings, on_event, gate)


def sources(study: Study, first: int) -> list[str]:
    return [item.candidate.source for number, item in study.proposals().items() if number >= first]


def test_banning_the_slot_that_would_win_finds_the_next_best_without_it(tmp_path: Path) -> None:
    """In a world where the net is best; the ban is said when the search has found that."""
    _, free, _ = searched(tmp_path / "free", lambda: Recorded(net=0.08), {})
    assert free.best is not None
    assert uses("kinetics", Study.open(tmp_path / "free").source(free.best.number), SPACE)
    study, steered, first = searched(tmp_path / "banned", lambda: Recorded(net=0.08), {8: Ban(name="kinetics")})
    evaluated = [item for item in study.evaluations() if item.number >= first]
    assert not any(uses("kinetics", study.source(item.number), SPACE) for item in evaluated)
    left = [item for item in study.ranked() if not uses("kinetics", study.source(item.number), SPACE)]
    assert left[0].claim == "Monod stands in the place of growth rate."
    assert steered.reason == "exhausted"  # three laws are all that is left
    winner = study.best()
    assert winner is not None
    assert uses("kinetics", study.source(winner.number), SPACE)  # the ban takes nothing away that was measured


def test_a_ban_from_the_beginning_on_leads_to_the_next_best(tmp_path: Path) -> None:
    study, summary, _ = searched(tmp_path / "run", lambda: Recorded(net=0.08), {0: Ban(name="kinetics")})
    assert summary.best is not None
    assert summary.best.claim == "Monod stands in the place of growth rate."
    assert not any(uses("kinetics", source, SPACE) for source in sources(study, 0))


@pytest.mark.parametrize("name", ["haldane", "kinetics"])
def test_pinning_keeps_it_in_every_candidate(tmp_path: Path, name: str) -> None:
    study, _, first = searched(tmp_path / "run", Recorded, {6: Pin(name=name)})
    after, before = sources(study, first), sources(study, 0)[BASELINES:first]
    assert len(after) >= 10
    assert all(uses(name, source, SPACE) for source in after)
    assert not all(uses(name, source, SPACE) for source in before)


def proposed(
    seed: int, preferences: tuple[tuple[int, int], ...], unwanted: Sequence[Past] = (), bans: tuple[str, ...] = ()
) -> list[Candidate]:
    """What a search proposes whose person prefers something when `START` proposals are made."""

    class Said(Given):
        def wishes(self, number: int) -> Wishes:
            return Wishes(bans=bans, preferences=preferences if number >= START else ())

    proposer, found, done = GrammarProposer(SPACE, seed, Said(unwanted=unwanted)), [], []
    for number in range(START + NEXT):
        history = [item for item in done if item.number <= number - GENERATION]
        candidate = proposer.propose(history, frozenset(item.id for item in found), number)
        assert candidate is not None
        found.append(candidate)
        done.append(fitted(candidate, number, recorded_error(candidate)).evaluation)
    return found


def share(candidates: list[Candidate], preferred: Genes, others: list[Genes]) -> float:
    """The measure: the mean share of the preferred one's own genes, which no other has, in these candidates."""
    own = [item for item in preferred.items() if not any(item in other.items() for other in others)]
    assert own
    return mean(item in (candidate.genome or {}).items() for candidate in candidates for item in own)


@pytest.mark.parametrize(("preferred", "least"), [(4, 0.9), (5, 0.75)])
def test_a_preference_among_five_moves_the_next_ten_proposals_towards_it(preferred: int, least: float) -> None:
    """Haldane's law, as good as any; and Contois', the worst of the five by half: with the person's word against it."""
    pairs = tuple((preferred, other) for other in FIVE if other != preferred)
    without, following = [], []
    for seed in SEEDS:
        free, steered = proposed(seed, ()), proposed(seed, pairs)
        assert free[:START] == steered[:START]
        genes = [dict(item.genome or {}) for item in free]
        others = [genes[other] for other in FIVE if other != preferred]
        without.append(share(free[START:], genes[preferred], others))
        following.append(share(steered[START:], genes[preferred], others))
    assert all(after > before for before, after in zip(without, following, strict=True))
    assert mean(following) > least
    assert mean(without) < 0.5


def test_one_preference_is_enough_to_be_noticed() -> None:
    free = [proposed(seed, ()) for seed in SEEDS]
    steered = [proposed(seed, ((4, 3),)) for seed in SEEDS]
    genes = [dict(item.genome or {}) for item in free[0]]
    before, after = (mean(share(run[START:], genes[4], [genes[3]]) for run in runs) for runs in (free, steered))
    assert after > before + 0.2


def test_preferences_change_no_score_and_no_place(tmp_path: Path) -> None:
    free, _, _ = searched(tmp_path / "free", Recorded, {}, 16)
    steered, summary, _ = searched(tmp_path / "run", Recorded, {8: Preference(better=5, worse=3)}, 16)
    scores = [{item.candidate: item.error for item in study.ranked()} for study in (free, steered)]
    both = scores[0].keys() & scores[1].keys()
    assert BASELINES + 5 <= len(both) < 16
    one, other = ([(key, error) for key, error in found.items() if key in both] for found in scores)
    assert one == other
    assert summary.best is not None
    assert summary.best.claim == "Monod stands in the place of growth rate."


def test_a_real_search_under_bans_fits_what_is_left(tmp_path: Path) -> None:
    """Real fits: where the right laws are banned the net wins; with the net banned as well, the wrong law."""
    quick = FitSettings(segment_steps=2, least_squares_steps=5, matching_steps=20, rollout_steps=2)
    study = Study.create(tmp_path / "run", PROBLEM, RunSettings(workers=1, fit=quick), "bioreactor")
    for name in ("monod", "haldane"):
        wish_for(study, SPACE, Ban(name=name), "ann")
    summary = session(study, lambda: Evaluator(PROBLEM, study.settings), 5)
    law, net = study.evaluations()[BASELINES:]
    assert law.claim == "Contois stands in the place of growth rate."
    assert net.claim == "A net (8) in the place of growth rate sees X, P and S."
    assert net.error < law.error < study.evaluations()[0].error
    assert summary.best == net
    wish_for(study, SPACE, Ban(name="kinetics"), "ann")
    again = session(study, lambda: Evaluator(PROBLEM, study.settings), 9)
    assert (again.reason, again.evaluated, again.best) == ("exhausted", 5, net)
    assert next(item for item in study.ranked() if not uses("kinetics", study.source(item.number), SPACE)) == law
    assert all(not {"monod", "haldane"} & used_in(source).terms for source in sources(study, 0))


def test_what_a_person_refuses_comes_less_often() -> None:
    """Two candidates with the net as a factor are refused: after that, nets are rather put in the place of the rate.

    The laws are banned, because where one of them stands a net can only be a factor.
    """
    genes = {"physics": True, "term.growth_rate": "given", "everywhere": False, "slot.kinetics": "scale"}
    sizes = [{"slot.kinetics.inputs": "X+P+S", "slot.kinetics.hidden": size, "norm_weight": 0.0} for size in ("4", "8")]
    refused = [Past(3, candidate_of(from_parameters({**genes, **size}, SPACE), SPACE)) for size in sizes]
    shares = []
    for unwanted in ([], refused):
        later = [item for seed in SEEDS for item in proposed(seed, (), unwanted, LAWS_TO_CHOOSE)[START:]]
        shares.append(mean((item.genome or {}).get("slot.kinetics") == "scale" for item in later))
    assert shares[1] < shares[0] - 0.2
