"""A candidate may do what it likes; what counts is what comes out of the evaluator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from archsearch.candidate.baselines import physics_as_given
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.render import render
from archsearch.errors import NothingFoundError, RequestError
from archsearch.evaluation import Evaluator, Outcome, no_change
from archsearch.evaluation import evaluator as room
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.problem.space import Role
from archsearch.settings import FitSettings, Limits, RunSettings
from archsearch.training.score import score

SETTINGS = RunSettings(fit=FitSettings(least_squares_steps=10), limits=Limits(wall_seconds=120.0, memory_mb=512))
HASTY = SETTINGS.model_copy(update={"limits": SETTINGS.limits.model_copy(update={"wall_seconds": 1.5})})


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_problem("hare_lynx")


@pytest.fixture(scope="module")
def evaluator(problem: Problem) -> Iterator[Evaluator]:
    made = Evaluator(problem, SETTINGS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def physics(problem: Problem) -> str:
    genome = physics_as_given(problem.space)
    assert genome is not None
    return render(genome, problem.space)


@pytest.fixture(scope="module")
def honest(evaluator: Evaluator, physics: str) -> Outcome:
    return evaluator.evaluate(Candidate(physics, "grammar"), 0)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The static check is a courtesy to authors; here it is out of the way, so that the walls behind it are tested."""
    monkeypatch.setattr(room, "check", lambda source, space: [])


def kind(outcome: Outcome) -> str:
    assert outcome.evaluation.failure is not None, outcome.evaluation
    return outcome.evaluation.failure.kind


def test_an_evaluation_can_be_computed_again_from_what_it_leaves(
    problem: Problem, evaluator: Evaluator, physics: str, honest: Outcome
) -> None:
    assert honest.evaluation.status == "ok"
    assert honest.evaluation.validation == score(problem, problem.validation, honest.predictions["validation.states"])
    again = evaluator.predict(physics, honest.weights, problem.validation, seed=99)
    np.testing.assert_array_equal(again["states"], honest.predictions["validation.states"])


def test_a_part_is_scored_from_what_a_fit_left(evaluator: Evaluator, physics: str, honest: Outcome) -> None:
    assert evaluator.score(physics, honest.weights, "validation") == honest.evaluation.validation
    assert evaluator.score(physics, honest.weights, "train") == honest.evaluation.train
    test = evaluator.score(physics, honest.weights, "test")
    assert np.isfinite(test.nrmse)
    assert test not in (honest.evaluation.validation, honest.evaluation.train)


def test_what_cannot_be_scored_is_told(problem: Problem, evaluator: Evaluator, physics: str, honest: Outcome) -> None:
    with pytest.raises(NothingFoundError, match="There is no prediction there"):
        evaluator.score(physics, b"no weights", "test")
    with (
        closing(Evaluator(replace(problem, test=None), SETTINGS)) as untested,
        pytest.raises(RequestError, match="seals no test data"),
    ):
        untested.score(physics, honest.weights, "test")


def test_the_physics_of_hares_and_lynx_beats_no_change_and_means_something(problem: Problem, honest: Outcome) -> None:
    assert honest.evaluation.error < 0.5 * no_change(problem)
    assert honest.evaluation.parameters["growth_rate"].identified
    assert honest.evaluation.parameters["growth_rate"].value == pytest.approx(0.41, abs=0.05)
    assert honest.evaluation.terms["predation"].status == "given"
    train = honest.evaluation.train
    worth = honest.evaluation.terms["death"].ablated_nrmse
    assert train is not None
    assert worth is not None
    assert worth > 2 * train.nrmse


@pytest.mark.parametrize(("role", "status", "by"), [("replace", "replaced", "hunting"), ("scale", "given", None)])
def test_a_term_in_whose_place_a_net_stands_is_not_given(
    problem: Problem, evaluator: Evaluator, role: Role, status: str, by: str | None
) -> None:
    """Its law is in the source for the sake of the physics alone, and moves nothing of the model."""
    genome = Genome(slots={"hunting": NetGene(role, ("hare",), (4,))})
    found = evaluator.evaluate(Candidate(render(genome, problem.space), "grammar"), 0).evaluation.terms["predation"]
    assert (found.status, found.by) == (status, by)


def test_same_candidate_same_outcome_in_other_processes(problem: Problem, physics: str, honest: Outcome) -> None:
    fresh = Evaluator(problem, SETTINGS)
    again = fresh.evaluate(Candidate(physics, "grammar"), 0)
    fresh.close()
    assert again.weights == honest.weights
    assert again.evaluation.model_copy(update={"seconds": 0.0}) == honest.evaluation.model_copy(update={"seconds": 0.0})


def test_a_reference_is_recorded_and_changes_nothing_of_the_fit(
    problem: Problem, physics: str, honest: Outcome
) -> None:
    parameters = [item.model_copy(update={"reference": 0.1}) for item in problem.space.parameters]
    space = problem.space.model_copy(update={"parameters": tuple(parameters)})
    genome = physics_as_given(space)
    assert genome is not None
    assert render(genome, space) == physics
    with closing(Evaluator(replace(problem, space=space), SETTINGS)) as evaluator:
        again = evaluator.evaluate(Candidate(physics, "grammar"), 0)
    assert again.weights == honest.weights
    fitted = again.evaluation.parameters["growth_rate"]
    assert fitted.reference == 0.1
    assert fitted.deviation == pytest.approx(fitted.value / 0.1 - 1)
    assert honest.evaluation.parameters["growth_rate"].deviation is None


def test_a_hidden_state_is_recorded_with_how_sure_it_is(problem: Problem, physics: str) -> None:
    """Nobody counts the lynx after the first year: what shows is their number times the attack rate."""
    observed = problem.train.trajectories.states.copy()
    observed[:, 1:, 1] = np.nan
    train = replace(problem.train, trajectories=replace(problem.train.trajectories, states=observed))
    with closing(Evaluator(replace(problem, train=train), SETTINGS)) as evaluator:
        record = evaluator.evaluate(Candidate(physics, "grammar"), 0).evaluation
    assert set(record.hidden_states) == {"lynx"}
    lynx = record.hidden_states["lynx"]
    assert lynx.unit == problem.space.states[1].unit
    assert lynx.std_error is not None
    assert 0 < lynx.std_error < np.inf
    assert lynx.identified is False, "twice as many, each of which hunts half as well, leave as many hares"
    assert record.parameters["attack_rate"].identified is False


def test_limits_are_recorded_with_their_least_margins(evaluator: Evaluator, physics: str) -> None:
    """A fit keeps them at its collocation points; that hares go beyond for days in between is told."""
    limits = """
    def limits(self, t, x, u):
        return {"most": 55.0 - x.hare, "some": x.lynx}
"""
    outcome = evaluator.evaluate(Candidate(f"{physics.rstrip()}\n{limits}", "person"), 1)
    found = outcome.evaluation.limits
    assert set(found) == {"most", "some"}
    assert (found["most"].kept, found["some"].kept) == (False, True)
    for part in ("train", "validation"):
        hares, lynx = np.moveaxis(outcome.predictions[f"{part}.dense_states"], -1, 0)
        assert getattr(found["most"], part) == pytest.approx(55.0 - hares.max(), abs=1e-9)
        assert getattr(found["some"], part) == pytest.approx(lynx.min(), abs=1e-9)


def test_what_the_check_finds_is_told_and_nothing_is_run(evaluator: Evaluator) -> None:
    outcome = evaluator.evaluate(Candidate("import os\nx = undefined\n", "llm"), 3)
    assert kind(outcome) == "check"
    assert outcome.evaluation.failure is not None
    assert "os" in outcome.evaluation.failure.message
    assert "Candidate" in outcome.evaluation.failure.message


BODY = "        growth = self"
SENT = """        import os, sys, struct
        from archsearch.sandbox.frames import LENGTHS, MAGIC
        blob = {blob}
        for fd in range(3, 64):
            try: os.write(fd, LENGTHS.pack(MAGIC, 2, len(blob)) + b"{{}}" + blob)
            except OSError: pass
        os._exit(0)
"""
HOSTILE = {
    "raises": ("        raise ValueError('no good')\n", "fit"),
    "recursive": ("        self.rhs(t, x, u)\n", "fit"),
    "memory": ("        import torch; self.hoard = [torch.zeros(1 << 24) for _ in range(100)]\n", "memory"),
    "kills itself": ("        import os; os.abort()\n", "crash"),
    "ends early": ("        import os; os._exit(0)\n", "result"),
    "prints without end": ("        while True: print('x' * 1000)\n", "output"),
    "not finite": ("        return {'hare': x.hare / 0, 'lynx': x.lynx / 0}\n", "diverged"),
    "a state is missing": ("        return {'hare': x.hare}\n", "fit"),
    "sends no weights": (SENT.format(blob="b''"), "result"),
    "sends other bytes for weights": (SENT.format(blob="b'{}' * 9"), "result"),
    "sends a pickle for weights": (SENT.format(blob="__import__('pickle').dumps([1])"), "result"),
    "sends a liar's length": (SENT.format(blob="struct.pack('<Q', 1 << 62) + b'x' * 99"), "result"),
    "sends weights that are not finite": (
        SENT.format(blob="__import__('safetensors.torch').torch.save({'param.a': x.hare.sum() / 0})"),
        "result",
    ),
    "sends weights of other types": (
        SENT.format(blob="__import__('safetensors.torch').torch.save({'param.a': x.hare.sum().float()})"),
        "result",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_whatever_a_candidate_does_is_a_failure_with_kind_sentence_and_remedy(
    evaluator: Evaluator, physics: str, name: str
) -> None:
    harm, wanted = HOSTILE[name]
    check_failure(evaluator.evaluate(Candidate(physics.replace(BODY, harm + BODY), "llm"), 7), wanted)


@pytest.mark.usefixtures("unchecked")
def test_a_candidate_that_never_ends_is_a_failure_too(problem: Problem, physics: str) -> None:
    endless = Candidate(physics.replace(BODY, "        while True: pass\n" + BODY), "llm")
    with closing(Evaluator(problem, HASTY)) as hasty:
        check_failure(hasty.evaluate(endless, 7), "time")


def check_failure(outcome: Outcome, wanted: str) -> None:
    assert kind(outcome) == wanted
    failure = outcome.evaluation.failure
    assert failure is not None
    assert failure.message
    assert failure.remedy
    assert (outcome.weights, outcome.predictions) == (b"", {})


LIES = """
import archsearch.training.jobs as jobs
import torch
torch.nn.functional.mse_loss = lambda *a, **k: torch.zeros(())
print('\\x1b[2J{"nrmse": 0.0}')
_diagnosed = jobs._diagnosed
jobs._diagnosed = lambda found: {**_diagnosed(found), "share": 0.0, "validation": {"nrmse": 0.0}}
"""


@pytest.mark.usefixtures("unchecked")
def test_a_candidate_that_patches_and_lies_is_scored_by_its_predictions_alone(
    evaluator: Evaluator, physics: str, honest: Outcome
) -> None:
    """It replaces a loss and the writer of claims in its own process, and prints a wonderful result."""
    outcome = evaluator.evaluate(Candidate(physics + LIES, "llm"), 8)
    assert outcome.evaluation.validation == honest.evaluation.validation
    assert "\x1b" not in outcome.log
    assert '{"nrmse": 0.0}' in outcome.log


SPY = """
import gc
from safetensors.torch import load
for held in gc.get_objects():
    if isinstance(held, dict) and "source" in held and "tasks" in held:
        print('GIVEN', sorted(held))
        for name, content in held.items():
            if name not in ("source", "tasks"):
                for array in load(bytes(content)).values():
                    print('SEEN', array.reshape(-1).tolist())
"""


@pytest.mark.usefixtures("unchecked")
def test_a_candidate_finds_no_held_out_value_in_its_process(
    problem: Problem, evaluator: Evaluator, physics: str
) -> None:
    """It prints everything that its processes are given; no validation or test observation is among the numbers."""
    outcome = evaluator.evaluate(Candidate(physics + SPY, "llm"), 9)
    assert outcome.evaluation.status == "ok"
    assert "GIVEN ['samples', 'source', 'tasks']" in outcome.log
    assert "GIVEN ['source', 'tasks', 'train', 'validation', 'weights']" in outcome.log
    seen = [line.removeprefix("SEEN ").replace("nan", "null") for line in outcome.log.splitlines() if "SEEN" in line]
    lists = [json.loads(line.lower().replace("true", "1").replace("false", "0")) for line in seen]
    numbers = {round(x, 6) for found in lists for x in found if x}
    assert problem.test is not None
    train = problem.train.trajectories.states
    assert {round(float(x), 6) for x in train.reshape(-1)} <= numbers
    for part in (problem.validation, problem.test):
        targets = {round(float(x), 6) for x in part.trajectories.states[part.scored].reshape(-1)}
        years = {round(float(x), 6) for x in part.trajectories.times.reshape(-1)}
        assert not (targets - years - {round(float(x), 6) for x in train.reshape(-1)}) & numbers


@pytest.mark.usefixtures("unchecked")
def test_weights_are_counted_from_the_arrays(evaluator: Evaluator, problem: Problem) -> None:
    from archsearch.candidate.baselines import net_alone

    genome = net_alone(problem.space)
    outcome = evaluator.evaluate(Candidate(render(genome, problem.space), "grammar"), 1)
    assert outcome.evaluation.weights == 2 * 16 + 16 + 16 * 2 + 2
    assert sum(net.weights for net in outcome.evaluation.nets.values()) == outcome.evaluation.weights
