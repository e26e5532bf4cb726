"""Training as the benchmark does it: budgets are kept, errors fall, a missing library is said, the clock is fair."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fit import Watch, diffrax
from noise_floor import started_from_truth
from peers_torch import ROLLOUTS, Training, adam, rk4, step
from problems import BENCHMARKS, Variant


def _training() -> Training:
    return Training.of(BENCHMARKS["C"], BENCHMARKS["C"].data(0, Variant()))


def test_adam_spends_its_budget() -> None:
    snapshots = adam(_training(), 0, 0.5, "rk4")
    seconds = [at for at, _ in snapshots]
    assert seconds[0] == 0.0
    assert seconds == sorted(seconds)
    assert 0.5 <= seconds[-1] < 2.0
    assert all(np.isfinite(p).all() for _, p in snapshots)
    assert not np.array_equal(snapshots[0][1], snapshots[-1][1])


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_steps_of_adam_lower_the_loss_through_either_solver(method: str) -> None:
    training = _training()
    p = torch.from_numpy(training.model.first(0)).requires_grad_(True)
    optimiser, rollout = torch.optim.Adam([p]), ROLLOUTS[method]
    before = training.loss(rollout(training, p)).item()
    assert all(step(training, p, optimiser, 1e-2, rollout) for _ in range(20))
    assert training.loss(rollout(training, p)).item() < 0.5 * before


def test_a_step_without_a_finite_gradient_changes_nothing() -> None:
    training = _training()
    p = torch.from_numpy(training.model.first(0)).requires_grad_(True)
    before = p.detach().clone()
    assert not step(training, p, torch.optim.Adam([p]), 1e-2, lambda of, q: rk4(of, q) * torch.nan)
    assert torch.equal(p, before)


def test_without_jax_one_sentence_says_so_and_nothing_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "diffrax.py").write_text("raise ImportError('No module named diffrax')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert diffrax(_training(), "C", 0, 1.0, sys.executable) is None
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "The JAX peer is left out: No module named diffrax" in said


def test_noting_the_model_down_is_not_charged_to_the_fit() -> None:
    model = BENCHMARKS["A"].candidate(0)
    watch = Watch(model)
    began = time.process_time()
    while time.process_time() - began < 0.3:
        torch.linspace(0, 1, 1000).sin()
        assert watch("a stage", 1)
    assert watch.seconds() <= time.process_time() - began
    assert 2 <= len(watch.moments) <= 20  # as often as a curve wants, not at every call
    assert set(watch.moments[0][1]) >= {name for name, _ in model.named_parameters()}


@pytest.mark.slow
def test_a_fit_that_starts_from_the_truth_ends_below_the_noise() -> None:
    assert started_from_truth(BENCHMARKS["A"], Variant(), 1, most=60) < Variant().noise ** 2
