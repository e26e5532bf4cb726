"""A few tiny fits and predictions, for what they import and build on their first call.

Run in the process that forks candidates: torch loads another thousand modules when its first optimiser is built, which
takes seconds and, behind walls that let no file be opened, is not possible at all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples, Task, pack_samples, pack_tasks
from archsearch.training.jobs import FAILURE, SAMPLES, SOURCE, TASKS, WEIGHTS, fit_job, predict_job

HEAD = "from archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):\n"
IN_TIME = (
    HEAD
    + """
    rate = Param(0.5, low=0.0, high=2.0)
    rest = Net(inputs=("x",), role="add", outputs=("x",), hidden=(2,))

    def rhs(self, t, x, u):
        return {"x": -self.term("decay", self.rate * x.x) + self.rest(x.x)}
"""
)
STATIC = (
    HEAD
    + """
    slope = Param(0.5, low=0.0, high=2.0)
    rest = Net(inputs=("u",), role="add", outputs=("x",), hidden=(2,))

    def output(self, x, u):
        return {"x": self.term("line", self.slope * u.u) + self.rest(u.u)}
"""
)
SHORT = {"segment_steps": 1, "collocation_steps": 2, "least_squares_steps": 2, "matching_steps": 2, "rollout_steps": 2}
SETTINGS = (FitSettings(**SHORT), FitSettings(**SHORT, method="shooting"))


def rehearse() -> None:
    """Fit and predict, and forget.

    Raises:
        RuntimeError: a rehearsal failed, so that no candidate could be fitted either.
    """
    state = torch.get_rng_state()
    times = torch.linspace(0.0, 1.0, 6, dtype=torch.float64).expand(2, -1)
    nothing = times.new_zeros(2, 6, 0)
    in_time = _samples(times, torch.exp(-0.4 * times).unsqueeze(-1), nothing)
    rows = times.reshape(-1, 1)
    static = _samples(torch.zeros_like(rows), 0.7 * rows.unsqueeze(-1), rows.unsqueeze(-1))
    for settings in SETTINGS:
        _fit_and_predict(IN_TIME, in_time, (), "decay", settings)
    _fit_and_predict(STATIC, static, ("u",), "line", SETTINGS[0])
    torch.set_rng_state(state)


def _samples(times: Tensor, states: Tensor, inputs: Tensor) -> Samples:
    ids = tuple(str(row) for row in range(len(times)))
    return Samples(ids, times.clone(), states, inputs, torch.ones_like(times, dtype=torch.bool))


def _fit_and_predict(source: str, samples: Samples, inputs: tuple[str, ...], term: str, settings: FitSettings) -> None:
    task = Task((State(name="x"),), inputs, samples, "fitted", settings, seed=0, dense=2, gates=(term,))
    given = {SOURCE: source.encode(), SAMPLES: pack_samples(samples), TASKS: pack_tasks({SAMPLES: task})}
    claims, weights = fit_job(given)
    if FAILURE not in claims:
        claims, _ = predict_job({**given, WEIGHTS: weights})
    if FAILURE in claims:
        raise RuntimeError(f"a rehearsal of a fit failed: {claims[FAILURE]}")
