from __future__ import annotations

import torch

from archsearch.training.data.smoothing import smooth


def noisy_sine(noise: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    t = torch.sort(10 * torch.rand(4, 60, generator=generator, dtype=torch.float64)).values
    truth = torch.stack([torch.sin(t), torch.cos(2 * t)], -1)
    return t, truth, truth + noise * torch.randn(truth.shape, generator=generator, dtype=torch.float64)


def test_finds_the_noise_and_comes_closer_to_the_truth_than_the_data() -> None:
    t, truth, observed = noisy_sine(0.1)
    found = smooth(t, observed)
    assert torch.all((found.noise > 0.07) & (found.noise < 0.12)), found.noise
    assert (found.states - truth).square().mean() < 0.5 * (observed - truth).square().mean()


def test_derivatives_of_clean_data_are_right() -> None:
    t, _, observed = noisy_sine(0.0)
    inside = (t > t[:, :1] + 0.5) & (t < t[:, -1:] - 0.5)
    wrong = (smooth(t, observed).derivatives[..., 0] - torch.cos(t))[inside]
    assert wrong.square().mean().sqrt() < 0.05


def test_gaps_and_padding_are_bridged_but_a_state_never_seen_stays_unknown() -> None:
    t, truth, observed = noisy_sine(0.0)
    observed[0, 10:14] = torch.nan
    observed[1, 40:] = torch.nan
    t[1, 40:] = t[1, 39]
    observed[:, :, 1] = torch.nan
    found = smooth(t, observed)
    assert torch.isfinite(found.states[..., 0]).all()
    assert (found.states[0, 10:14, 0] - truth[0, 10:14, 0]).abs().max() < 0.1
    assert torch.isnan(found.states[..., 1]).all()


def test_a_constant_and_a_very_short_series_are_joined_by_lines() -> None:
    t = torch.tensor([[0.0, 1.0, 3.0, 4.0]], dtype=torch.float64)
    observed = torch.tensor([[[2.0, 1.0], [2.0, 3.0], [2.0, torch.nan], [2.0, 9.0]]], dtype=torch.float64)
    found = smooth(t, observed)
    torch.testing.assert_close(found.states[0, :, 0], torch.full((4,), 2.0, dtype=torch.float64))
    assert found.states[0, 2, 1].item() == 7.0
