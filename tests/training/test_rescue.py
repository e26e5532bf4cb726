from __future__ import annotations

import pytest
import torch
from hard_systems import LORENZ_TRUTH, lorenz

from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.methods.fit import Fit, fit

STATES = tuple(State(name=name) for name in "xyz")


def fitted(settings: FitSettings) -> tuple[Fit, float]:
    loss = lorenz()
    found = fit(loss.model, STATES, loss.samples, settings, torch.Generator().manual_seed(0))
    return found, loss.model.parameter_values()["rho"].item()


def test_states_and_unknowns_together_identify_a_chaotic_system() -> None:
    found, rho = fitted(FitSettings())
    assert rho == pytest.approx(LORENZ_TRUTH["rho"], rel=0.01)
    assert found.error < 2 * 0.02**2


def test_where_single_shooting_fails_on_a_chaotic_system_windows_identify_it() -> None:
    found, rho = fitted(FitSettings(method="shooting", matching_steps=0, rollout_steps=2, inner_validation=0.0))
    names = [stage.name for stage in found.stages]
    assert names[0] == "shooting: intervals"
    assert "gradients" in names
    assert any(name.startswith("windows of") for name in names)
    assert found.stages[names.index("gradients")].reason.startswith("chaotic")
    assert rho == pytest.approx(LORENZ_TRUTH["rho"], rel=0.01)
