"""Two substances that diffuse and react on a periodic square: six films, measured with noise."""

from __future__ import annotations

import numpy as np

from archsearch.systems.solving import solved
from archsearch.systems.tables import Floats, Table

SIDE = 2.0  # length of the square; 1, as in the source, which has no units
POINTS = 16
DIFFUSION = (1e-3, 5e-3)  # of u and v, length squared per time
THRESHOLD = 5e-3
FRAMES, END = 16, 3.0
NOISE = 0.01  # of the measurement, in standard deviations of each substance
FILMS = 6


def derivative(state: Floats) -> Floats:
    """(2, H, W), per time: what diffusion and the reaction of FitzHugh and Nagumo do to u and v."""
    u, v = state
    near = sum(np.roll(state, shift, axis) for shift in (1, -1) for axis in (1, 2))
    spread = (near - 4 * state) * (POINTS / SIDE) ** 2
    return np.stack([DIFFUSION[0] * spread[0] + u - u**3 - THRESHOLD - v, DIFFUSION[1] * spread[1] + u - v])


def simulate_fitzhugh_nagumo(seed: int) -> Table:
    """Films `1` to `6` as arrays: `u` and `v` (films, times, y, x), and the coordinates `y` and `x` of the cells.

    Reference: Yin et al., "Augmenting physical models with deep networks for complex dynamics forecasting" (APHYNITY),
    ICLR 2021, data set "reaction-diffusion"; equations after FitzHugh (1961), Biophys. J. 1:445, and Klaasen and Troy
    (1984), SIAM J. Appl. Math. 44:96. Differences: 16 x 16 points in place of 32 x 32, starts that are smooth in
    place of white noise, six films, and 1 % noise in all frames.
    """
    generator = np.random.default_rng(seed)
    times = np.linspace(0.0, END, FRAMES)
    films = np.stack([_film(generator, times) for _ in range(FILMS)])
    spread = films.std(axis=(0, 1, 3, 4), keepdims=True)
    measured = films + NOISE * spread * generator.standard_normal(films.shape)
    centres = (np.arange(POINTS) + 0.5) * SIDE / POINTS
    names = np.array([str(film + 1) for film in range(FILMS)])
    return {
        "time": times,
        "trajectory": names,
        "y": centres,
        "x": centres,
        "u": measured[:, :, 0],
        "v": measured[:, :, 1],
    }


def _film(generator: np.random.Generator, times: Floats) -> Floats:
    """(T, 2, H, W), without noise, from a smooth start."""
    start = np.stack([_start(generator) for _ in DIFFUSION])
    flat = solved(lambda state: derivative(state.reshape(start.shape)).ravel(), start.ravel(), times)
    return flat.reshape(len(times), *start.shape)


def _start(generator: np.random.Generator) -> Floats:
    """(H, W), between 0 and 1: a sum of the waves of a square up to the fourth, of falling size."""
    waves = np.fft.fftfreq(POINTS, 1 / POINTS)
    length = np.hypot(waves[:, None], waves[None, :])
    sizes = np.where(length <= 4, 1 / (1 + length), 0.0)
    draws = generator.standard_normal((POINTS, POINTS)) + 1j * generator.standard_normal((POINTS, POINTS))
    field = np.fft.ifft2(sizes * draws).real
    return np.asarray((field - field.min()) / np.ptp(field), dtype=np.float64)
