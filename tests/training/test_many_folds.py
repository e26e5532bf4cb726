from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from known_systems import LOTKA_VOLTERRA

from archsearch.errors import RequestError
from archsearch.hybrid import load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.many.folds import cross_validated, folds_of
from archsearch.training.many.members import masked

Simulate = Callable[..., Samples]
STATES = (State(name="prey"), State(name="hunter"))
STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0), (1.5, 1.5), (1.0, 0.7), (2.2, 1.8)]
CORRECTED = LOTKA_VOLTERRA.format(
    declarations='extra = Net(inputs=("prey", "hunter"), role="add", hidden=(6,), outputs=("hunter",))',
    conversion="self.extra(x.prey, x.hunter) + conversion",
)


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("trajectories", [2, 6])
def test_folds_are_disjoint_and_hide_all_but_the_first_samples(
    count: int, trajectories: int, simulate: Simulate
) -> None:
    samples = simulate(np.linspace(0, 4, 33), STARTS[:trajectories])
    found = torch.stack(folds_of(samples, count, torch.Generator().manual_seed(0)))
    assert len(found) == count
    assert bool((found.sum(0)[:, 1:] == 1).all())
    assert not bool(found[:, :, 0].any())
    sizes = found.sum((1, 2)).tolist()
    assert max(sizes) <= 2 * min(sizes)


def test_folds_of_too_little_are_refused(simulate: Simulate) -> None:
    samples = simulate(np.linspace(0, 4, 5), STARTS[:1])
    with pytest.raises(RequestError, match="cannot be cut"):
        folds_of(samples, 4, torch.Generator())
    with pytest.raises(RequestError, match="at least 2"):
        folds_of(samples, 1, torch.Generator())


def test_what_follows_the_last_observation_is_padding(simulate: Simulate) -> None:
    samples = simulate(np.linspace(0, 4, 9), STARTS[:2])
    mask = torch.zeros_like(samples.valid)
    mask[0, 3] = mask[0, 6:] = True
    found = masked(samples, mask)
    assert found.valid.sum(1).tolist() == [6, 9]
    assert found.times[0, 5:].tolist() == [2.5] * 4
    assert torch.equal(found.times[1], samples.times[1])
    assert bool(torch.isnan(found.states[0, 3]).all())


@pytest.mark.slow
@pytest.mark.parametrize("complete", [True, False])
def test_the_chosen_weight_is_large_where_physics_is_complete_and_small_where_it_is_not(
    complete: bool, simulate: Simulate
) -> None:
    source = CORRECTED if complete else CORRECTED.replace("+ conversion -", "+ 0.3 * conversion * x.prey -")
    model = load_candidate(source)(("prey", "hunter"))
    samples = simulate(np.linspace(0, 5, 16), STARTS, noise=0.02)
    folds = folds_of(samples, 3, torch.Generator().manual_seed(1))
    weights = (0.0, 0.01, 100.0)
    found = cross_validated(model, STATES, samples, FitSettings(), "norm", weights, folds)
    assert found.errors.shape == (3, 3)
    assert found.weights == weights
    assert (found.weight == 100.0) == complete
    assert float(found.mean[found.chosen]) <= float((found.mean + found.standard_error)[found.best])
    hides = [member.hidden for member in found.fits.members]
    assert all(mask is folds[index % 3] for index, mask in enumerate(hides))
