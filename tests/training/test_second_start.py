"""Data that jump look like noise to the smooth that a fit begins with; nets must be let learn them all the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.methods import second_start
from archsearch.training.methods.fit import Fit, fit

NET_ALONE = """
from archsearch.hybrid import HybridModel, Net


class Candidate(HybridModel):
    everything = Net(inputs=("dose", "level"), role="add", outputs=("level",), hidden=(8,))

    def rhs(self, t, x, u):
        return {"level": self.everything(u.dose, x.level)}
"""
SETTINGS = FitSettings(least_squares_steps=30)
TIMES = np.array([0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24])
HALF_AN_HOUR = TIMES < 0.5


def doses() -> Samples:
    """Nine patients, given another dose each within half an hour. Noise of 3 %.

    Half of the level falls at 1.5 per hour and the rest at 0.02: what is given is over within three of thirteen
    samples, and what the level does depends on more than the level.
    """
    generator = np.random.default_rng(2)
    levels, given = [], []
    for dose in 3 * (200.0, 400.0, 800.0):
        own = dose * generator.uniform(0.5, 1.5)
        during, later = np.minimum(TIMES, 0.5), np.maximum(TIMES - 0.5, 0.0)
        parts = [0.03 * own / rate * (1 - np.exp(-rate * during)) * np.exp(-rate * later) for rate in (1.5, 0.02)]
        levels.append(sum(parts) * (1 + 0.03 * generator.standard_normal(len(TIMES))))
        given.append(np.where(HALF_AN_HOUR, own, 0.0))
    states, inputs = torch.tensor(np.array(levels))[..., None], torch.tensor(np.array(given))[..., None]
    times = torch.tensor(TIMES).expand(len(levels), -1)
    ids = tuple(map(str, range(len(levels))))
    return Samples(ids=ids, times=times, states=states, inputs=inputs, valid=torch.ones_like(times, dtype=torch.bool))


def model(seed: int) -> HybridModel:
    return load_candidate(NET_ALONE)(("level",), ("dose",), generator=torch.Generator().manual_seed(seed))


def fitted(seed: int) -> Fit:
    return fit(model(seed), (State(name="level"),), doses(), SETTINGS, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_net_learns_what_looks_like_noise(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun with the noise of the smooth alone, a net explains hardly more of the data than a constant does."""
    found = fitted(seed)
    monkeypatch.setattr(second_start, "LOUD", float("inf"))
    once = fitted(seed)
    assert once.error > 0.3
    assert found.error < 0.5 * once.error
    assert float(found.loss.noise) == pytest.approx(found.error, rel=0.5), "noise and prior are let go in the end"
    assert found.loss.noise_is_free


def test_a_worse_second_fit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_start, "CLEARER", 0.0)
    found = fitted(0)
    assert any(stage.name == "noise let go" for stage in found.stages)
    monkeypatch.setattr(second_start, "LOUD", float("inf"))
    once = fitted(0)
    assert found.error == pytest.approx(once.error, rel=1e-6)
    assert float(found.loss.noise) == float(once.loss.noise)
