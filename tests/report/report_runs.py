"""A run of invented results over real space, sources and weights: everything that a report needs, and no fitting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genes import to_parameters
from archsearch.candidate.genome import Genome, NetGene
from archsearch.candidate.outcome import (
    Evaluation,
    Failure,
    FittedLimit,
    FittedNet,
    FittedParameter,
    FittedState,
    FittedTerm,
    Score,
)
from archsearch.candidate.render import render
from archsearch.evaluation import Outcome
from archsearch.hybrid import load_candidate
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Part, Problem
from archsearch.settings import RunSettings
from archsearch.study.record import Ban, Decision, Hint, Pin, Preference
from archsearch.study.steering import Steering
from archsearch.study.store import Study

BEST = Genome(slots={"profit": NetGene("replace", ("hare", "lynx"), (4,))})
RATE = FittedParameter(value=0.4321, unit="1/year", low=0.0, high=2.0, identified=False, std_error=0.0123)
STORE = FittedState(unit="kg", std_error=0.0456, spread=0.789, identified=False)
LIMITS = {
    "room": FittedLimit(train=0.0678, validation=0.0567, size=1.0),
    "grass": FittedLimit(train=0.0123, validation=-0.0234, size=1.0),
}
FAILURE = Failure(kind="diverged", message="the rollout of <1> was not finite", remedy="Bound its parameters.")


def predictions(part: Part, name: str, factor: float) -> dict[str, np.ndarray]:
    """Rollouts that are the data times a factor."""
    times, states = part.trajectories.times, part.trajectories.states * factor
    arrays = {"times": times, "states": states, "dense_times": times, "dense_states": states}
    return {f"{name}.{key}": array for key, array in arrays.items()}


def scored(problem: Problem, error: float) -> Score:
    """A score of that error."""
    names = problem.validation.trajectories.ids
    rmse = dict.fromkeys(problem.space.observed_names, 10 * error)
    return Score(
        nrmse=error, rmse=rmse, per_trajectory=dict.fromkeys(names, error), trajectories=len(names), diverged=0
    )


def weights(source: str, problem: Problem) -> bytes:
    """The arrays of a candidate that was never fitted."""
    model = load_candidate(source)(problem.space.state_names, problem.space.input_names)
    data = problem.train.trajectories
    model.calibrate(torch.as_tensor(data.times[0]), torch.as_tensor(data.states[0]), None, torch.tensor([9.0, 8.0]))
    start = torch.as_tensor(data.states[0, 0])
    return save(model.state_arrays() | {"initial": start, f"initial.{data.ids[0]}": start.clone()})


def outcome(problem: Problem, candidate: Candidate, number: int, error: float) -> Outcome:
    """An invented outcome of a candidate."""
    nets = {"profit": FittedNet(role="replace", inputs=("hare", "lynx"), hidden=(4,), weights=17, share=0.25)}
    evaluation = Evaluation(
        number=number,
        candidate=candidate.id,
        author=candidate.author,
        claim=candidate.claim,
        status="ok",
        train=scored(problem, error / 2),
        validation=scored(problem, error),
        parameters={"growth_rate": RATE},
        hidden_states={"store": STORE},
        limits=LIMITS,
        terms={"growth": FittedTerm(status="given", ablated_nrmse=2.345), "predation": FittedTerm(status="given")},
        nets=nets if "Net(" in candidate.source else {},
        weights=17 if "Net(" in candidate.source else 0,
        seconds=1.5,
        genome=candidate.genome,
    )
    arrays = predictions(problem.train, "train", 1.1) | predictions(problem.validation, "validation", 1 + error)
    return Outcome(evaluation, weights(candidate.source, problem), arrays, "")


def failed(candidate: Candidate, number: int) -> Outcome:
    """A failure."""
    fields = {"candidate": candidate.id, "author": candidate.author, "claim": candidate.claim}
    return Outcome(Evaluation(number=number, status="failed", failure=FAILURE, **fields), b"", {}, "")


def invented_run(folder: Path) -> Study:
    """The three baselines, a better hybrid, a worse model and a failure."""
    problem = load_problem("hare_lynx")
    space = problem.space
    baselines = [physics_as_given(space), net_alone(space), physics_plus_net(space)]
    worse = Genome(added=(next(term.name for term in space.library if not term.replaces),))
    genomes = [*baselines, BEST, worse]
    errors = [0.8123, 0.9234, 0.7345, 0.3456, 1.4567]
    study = Study.create(folder, problem, RunSettings(seed=5), "hare_lynx")
    study.record_sanity({"no_change": 1.2345})
    with study.writing(problem) as writer:
        for number, (genome, error) in enumerate(zip(genomes, errors, strict=True)):
            assert genome is not None
            genes, claim = to_parameters(genome, space), claim_of(genome, space)
            candidate = Candidate(render(genome, space, claim), "grammar", claim, genome=genes)
            writer.propose(number, candidate, 0.0)
            writer.record(number, outcome(problem, candidate, number, error), 0.0)
        broken = Candidate(render(genomes[0], space, "broken"), "person", "a <script>alert(1)</script> claim")
        writer.propose(5, broken, 0.0)
        writer.record(5, failed(broken, 5), 0.0)
    return study


HINT = "Lynx starve <script>alert('hint')</script> & \"quotes\" `$x$`"


def steer(study: Study) -> None:
    """A person refuses a new proposal, bans the slot that is best, hints with hostile text, and prefers."""
    problem = study.problem()
    with study.writing(problem) as writer:
        claim = "Crowding is added."
        candidate = Candidate(render(Genome(added=("crowding",)), problem.space, claim), "grammar", claim)
        writer.propose(6, candidate, 0.0)
    steering = Steering(study)
    steering.decide(6, Decision(approved=False, by="anna", reason="Hares never crowd here."))
    steering.wish(Ban(name="profit"), "anna")
    steering.wish(Hint(text=HINT), "<b>bert</b>")
    steering.wish(Preference(better=2, worse=4, reason="keeps the physics"), "anna")
    steering.wish(Pin(name="growth"), "bert")
