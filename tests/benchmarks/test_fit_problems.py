"""The problems are those that were written down: truth, candidate and the hand-written peer agree about the physics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from peer_models import FINE, NUMPY, PEER_MODELS, Scales, due, learning_rate, runge_kutta
from peers_torch import TORCH, Training, dopri5, rk4
from problems import BENCHMARKS, Variant
from scoring import arrays_of, errors_on_test, substeps

from archsearch.systems.tables import Floats
from archsearch.training.flow.integrate import rollout

TRUE: dict[str, dict[str, float]] = {
    "A": {"birth": 1.3, "death": 1.8},
    "B": {"need": 2.0},
    "C": {"stiffness": 1.7},
    "D": {"k_ir": 0.3, "k_pf": 0.1, "k_o": 0.5, "k_2": 1.0, "k_3": 20.0}
    | {"k_dp": 0.6, "k_iir": 0.4, "k_dc": 0.3, "k_1": 0.1},
}


def _growth(x: Floats) -> Floats:
    return 0.4 * x[:, 1] / (0.5 + x[:, 1] + x[:, 1] ** 2 / 15)


UNKNOWN: dict[str, Callable[[Floats], dict[int, Floats]]] = {
    "A": lambda x: {0: -0.9 * x[:, 0] * x[:, 1], 1: 0.8 * x[:, 0] * x[:, 1]},
    "B": lambda x: {0: (_growth(x) - 0.2) * x[:, 0], 1: -2.0 * (_growth(x) - 0.2) * x[:, 0]},
    "C": lambda x: {1: -0.2 * x[:, 1] - 0.12 * x[:, 1] * abs(x[:, 1])},
    "D": lambda x: {0: x[:, 0] ** 2 / (0.5 + x[:, 0] ** 2) - 0.5 * x[:, 0] * x[:, 1]},
}
"""What the net has to learn, by state: everything that separates the truth from the candidate without its net."""

ALL = pytest.mark.parametrize("letter", BENCHMARKS)


def _points(letter: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    data = BENCHMARKS[letter].data(0, Variant())
    return data.train.times[:, 7], torch.from_numpy(data.clean[:, 7].copy()), data.train.inputs[:, 7]


@ALL
def test_the_net_is_all_that_a_candidate_with_true_parameters_lacks(letter: str) -> None:
    problem, (t, x, u) = BENCHMARKS[letter], _points(letter)
    model = problem.candidate(0)
    for name, value in TRUE[letter].items():
        model.set_parameter(name, value)
    slopes = model.nulled().derivative(t, x, u).detach().numpy()
    for index, lacking in UNKNOWN[letter](x.numpy()).items():
        slopes[:, index] += lacking
    np.testing.assert_allclose(slopes, np.stack(problem.truth(x.numpy(), u.numpy()), -1), rtol=1e-9, atol=1e-12)


@ALL
def test_a_candidate_starts_from_the_same_wrong_parameters_and_net_as_the_peers(letter: str) -> None:
    model, peer = BENCHMARKS[letter].candidate(0), PEER_MODELS[letter]
    assert [value.item() for value in model.parameter_values().values()] == pytest.approx(list(peer.start))
    assert set(TRUE[letter]) == set(model.parameter_values())
    assert sum(array.numel() for array in model.parameters()) == peer.first(0).size


@pytest.mark.parametrize("letter", ["A", "C", "D"])
def test_the_hand_written_physics_is_that_of_the_candidate(letter: str) -> None:
    t, x, u = _points(letter)
    peer, p = PEER_MODELS[letter], PEER_MODELS[letter].first(0)
    p[-peer.widths[-1] * (peer.widths[-2] + 1) :] = 0.0  # the last layer of the net
    scales = Scales(x.numpy().mean(0), x.numpy().std(0))
    slopes = peer.rhs(peer.unpacked(p, NUMPY), x.numpy(), u.numpy(), scales, NUMPY)
    np.testing.assert_allclose(slopes, BENCHMARKS[letter].candidate(0).nulled().derivative(t, x, u).detach(), rtol=1e-9)


@ALL
def test_the_hand_written_equations_are_the_same_on_torch_and_numpy(letter: str) -> None:
    _, x, u = _points(letter)
    peer, p = PEER_MODELS[letter], PEER_MODELS[letter].first(3)
    mean, std = x.mean(0), x.std(0) + 0.1
    by_torch = peer.rhs(peer.unpacked(torch.from_numpy(p), TORCH), x, u, Scales(mean, std), TORCH)
    scales = Scales(mean.numpy(), std.numpy())
    by_numpy = peer.rhs(peer.unpacked(p, NUMPY), x.numpy(), u.numpy(), scales, NUMPY)
    np.testing.assert_allclose(by_numpy, by_torch, rtol=1e-9, atol=1e-12)


@ALL
def test_the_noise_is_as_large_as_said_and_the_first_sample_exact(letter: str) -> None:
    data = BENCHMARKS[letter].data(1, Variant(noise=0.1))
    wrong = (data.train.states.numpy() - data.clean) / data.spread
    assert not wrong[:, 0].any()
    assert wrong[:, 1:].std() == pytest.approx(0.1, rel=0.1)
    again = BENCHMARKS[letter].data(1, Variant(noise=0.03))
    np.testing.assert_allclose((again.train.states.numpy() - again.clean) / data.spread, 0.3 * wrong, atol=1e-12)


def test_half_of_the_samples_are_every_second_one_except_where_inputs_jump() -> None:
    full, half = (BENCHMARKS["C"].data(0, Variant(every=every)) for every in (1, 2))
    assert torch.equal(half.train.states, full.train.states[:, ::2])
    assert torch.equal(half.train.times, full.train.times[:, ::2])
    assert torch.equal(half.test.states, full.test.states)
    fed = BENCHMARKS["B"].data(0, Variant(every=2))
    assert fed.train.states.shape == (10, 41, 3)
    assert substeps(BENCHMARKS["C"], 21) == 2 * substeps(BENCHMARKS["C"], 41)
    assert substeps(BENCHMARKS["D"], 22) == 2 * substeps(BENCHMARKS["D"], 43)


@ALL
def test_both_solvers_of_the_peers_roll_out_the_same_model(letter: str) -> None:
    training = Training.of(BENCHMARKS[letter], BENCHMARKS[letter].data(0, Variant()))
    p = torch.from_numpy(0.1 * training.model.first(0))  # an untrained net may blow up, a small one does not
    exact = dopri5(training, p)
    difference = (rk4(training, p) - exact) / (training.scales.std + exact.abs())  # on A, prey alone grow without end
    assert difference.square().mean().sqrt() < 1e-3


@ALL
def test_the_steps_that_models_are_scored_with_hold_the_truth(letter: str) -> None:
    problem, data = BENCHMARKS[letter], BENCHMARKS[letter].data(0, Variant())
    h, states = problem.end / (problem.samples - 1), [data.test.states[:, 0].numpy()]
    for k in range(problem.samples - 1):
        u = data.test.inputs[:, k].numpy()
        right = lambda x, u=u: np.stack(problem.truth(x, u), -1)  # noqa: E731  # a curried argument
        states.append(runge_kutta(right, states[-1], h, FINE * substeps(problem, problem.samples)))
    assert data.test_error(np.stack(states, 1)) < 1e-6  # a thousandth of the noise, a tenth of the best fits


def test_moments_are_scored_together_as_they_are_alone() -> None:
    problem = BENCHMARKS["C"]
    data, model = problem.data(0, Variant()), problem.candidate(0)
    first = arrays_of(model)
    model.set_parameter("stiffness", 1.7)
    both = errors_on_test(problem, model, [first, arrays_of(model)], data)
    assert both[0] == pytest.approx(errors_on_test(problem, model, [first], data)[0], rel=1e-9)
    with torch.no_grad(), model.prepared():
        steps = FINE * substeps(problem, problem.samples)
        rolled = rollout(model.derivative, data.test.states[:, 0], data.test.times, data.test.inputs, steps)
    assert both[1] == pytest.approx(data.test_error(rolled.numpy()), rel=1e-9)


def test_rollouts_that_blow_up_have_an_infinite_error() -> None:
    data = BENCHMARKS["A"].data(0, Variant())
    assert data.test_error(np.full(tuple(data.test.states.shape), np.nan)) == float("inf")


def test_the_schedules_of_rate_and_of_noting_down() -> None:
    assert [learning_rate(done) for done in (0.0, 0.5, 1.0, 2.0)] == pytest.approx([1e-2, 5.1e-3, 2e-4, 2e-4])
    assert not due(0.01, 0.0)
    assert due(10.5, 10.0)
