"""Rollouts that begin others are read off their solution, and are what they would be alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from known_systems import TRUTH
from torch import Tensor

from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples, Task
from archsearch.training.predict import predict
from archsearch.training.reported import beginnings

STARTS = {"initial.0": [1.0, 2.0], "initial.1": [3.0, 1.0], "initial": [2.0, 2.0]}
STORED = {name: torch.tensor(start, dtype=torch.float64) for name, start in STARTS.items()}


def task(ids: tuple[str, ...], samples: int, dense: int) -> Task:
    times = torch.linspace(0, 6, 13, dtype=torch.float64)[:samples].expand(len(ids), -1)
    unseen = torch.full((*times.shape, 2), torch.nan, dtype=torch.float64)
    given = Samples(ids, times, unseen, unseen[..., :0], torch.ones_like(times, dtype=torch.bool))
    return Task((State(name="prey"), State(name="hunter")), (), given, "continue", FitSettings(), 0, dense)


@pytest.fixture
def solutions(monkeypatch: pytest.MonkeyPatch, lotka_volterra: HybridModel) -> list[Tensor]:
    """The starts of what was solved."""
    for name, value in TRUTH.items():
        lotka_volterra.set_parameter(name, value)
    solved, original = list[Tensor](), beginnings.at_once

    def noted(field: object, z0: Tensor, *more: object) -> list[Tensor]:
        solved.append(z0)
        return original(field, z0, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(beginnings, "at_once", noted)
    return solved


def test_what_begins_another_is_not_solved_again_and_the_same(
    solutions: list[Tensor], lotka_volterra: HybridModel
) -> None:
    tasks = {"short": task(("1",), 7, 5), "long": task(("0", "1"), 13, 3)}
    together = predict(lotka_volterra, STORED, tasks)
    assert list(together) == ["short", "long"]
    assert [len(z0) for z0 in solutions] == [2]
    for name, each in tasks.items():
        alone = predict(lotka_volterra, STORED, {name: each})[name]
        for key in ("states", "dense_states", "dense_times"):
            torch.testing.assert_close(together[name][key], alone[key], rtol=1e-9, atol=0)


@pytest.mark.parametrize("other", ["start", "times", "name"])
def test_what_differs_is_solved_by_itself(solutions: list[Tensor], lotka_volterra: HybridModel, other: str) -> None:
    short, long = task(("1",), 7, 5), task(("0", "1"), 13, 3)
    seen = torch.full_like(short.samples.states, 1.5)
    short = {
        "start": replace(short, start="first", samples=replace(short.samples, states=seen)),
        "times": replace(short, samples=replace(short.samples, times=short.samples.times * 1.001)),
        "name": replace(short, start="first", samples=replace(short.samples, states=seen, ids=("2",))),
    }[other]
    together = predict(lotka_volterra, STORED, {"short": short, "long": long})
    assert sorted(len(z0) for z0 in solutions) == [1, 2]
    alone = predict(lotka_volterra, STORED, {"short": short})["short"]
    torch.testing.assert_close(together["short"]["dense_states"], alone["dense_states"], rtol=0, atol=0)


def test_a_beginning_is_told_even_if_what_it_begins_is_lost_later(lotka_volterra: HybridModel) -> None:
    """Prey and no hunters: it grows beyond all numbers, but not at first."""
    lotka_volterra.set_parameter("birth", 2.0)
    times = torch.tensor([[0.0, 1.0, 2.0, 900.0]], dtype=torch.float64)
    stored = {**STORED, "initial.0": torch.tensor([1.0, 0.0], dtype=torch.float64)}
    tasks = {}
    for name, samples in (("short", 3), ("long", 4)):
        each = task(("0",), samples, 1)
        tasks[name] = replace(each, samples=replace(each.samples, times=times[:, :samples]))
    found = predict(lotka_volterra, stored, tasks)
    np.testing.assert_allclose(found["short"]["states"][0, :, 0], np.exp([0.0, 2.0, 4.0]), rtol=1e-8)
    assert bool(torch.isnan(found["long"]["states"][0, 3]).all())
