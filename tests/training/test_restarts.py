from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.methods.fit import fit
from archsearch.training.restarts import fit_restarted

BOTH = (State(name="prey"), State(name="hunter"))
STARTS = [(1.0, 2.0), (2.0, 0.5), (0.5, 1.0)]


def test_restarts_end_no_worse_and_keep_the_prior_of_the_candidate(
    lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]
) -> None:
    samples = simulate(np.linspace(0, 6, 25), STARTS, noise=0.03)
    written = lotka_volterra_net.raw.detach().clone()
    found = fit_restarted(lotka_volterra_net, BOTH, samples, FitSettings(restarts=4), torch.Generator().manual_seed(0))
    assert found.loss.start is not None
    assert torch.equal(found.loss.start, written)
    assert found.error < 2 * 0.03**2


def test_one_start_is_the_fit_itself(lotka_volterra_net: HybridModel, simulate: Callable[..., Samples]) -> None:
    samples = simulate(np.linspace(0, 6, 25), STARTS, noise=0.03)
    ends = []
    before = {name: tensor.clone() for name, tensor in lotka_volterra_net.state_dict().items()}
    for way in (fit, fit_restarted):
        lotka_volterra_net.load_state_dict(before)
        ends.append(way(lotka_volterra_net, BOTH, samples, FitSettings(), torch.Generator().manual_seed(0)).error)
    assert ends[0] == ends[1]
