"""A front on a line: a population spreads, grows to its capacity, and is fed; solved by SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

SPREADING, GROWTH, STEP, POINTS = 0.003, 1.5, 0.05, 20
SPACE = """
[problem]
title = "Front"
time_unit = "d"

[data]
file = "data.npz"

[split]
by = "trajectory"
validation = ["4"]
test = ["5"]

[grid]
boundary = "neumann"

[[axes]]
name = "depth"
unit = "mm"

[[states]]
name = "c"
unit = "g/L"

[[inputs]]
name = "feed"
unit = "g/(L*d)"

[[parameters]]
name = "D"
value = 0.01
low = 1e-4
high = 0.1
unit = "mm**2/d"
reference = 0.003

[[parameters]]
name = "growth"
value = 0.5
low = 0.0
high = 5.0
unit = "1/d"

[[parameters]]
name = "capacity"
value = 1.0
fixed = true
unit = "g/L"

[[terms]]
name = "diffusion"
expression = "D * laplacian(c)"
equations = { c = "+" }

[[terms]]
name = "logistic"
expression = "growth * c * (1 - c / capacity)"
equations = { c = "+" }
trust = "suspect"

[[terms]]
name = "feeding"
expression = "feed"
equations = { c = "+" }

[[slots]]
name = "rate"
equation = "c"
inputs = ["c"]
"""


def rate(c: np.ndarray, feed: float) -> np.ndarray:
    """The derivative on a line whose ends nothing passes."""
    wide = np.concatenate([c[:1], c, c[-1:]])
    return SPREADING * (wide[2:] + wide[:-2] - 2 * c) / STEP**2 + GROWTH * c * (1 - c) + feed


def arrays(noise: float = 0.005) -> dict[str, np.ndarray]:
    """Five trajectories of 13 or 16 samples; the feed starts in the middle of each."""
    rng = np.random.default_rng(0)
    times = np.linspace(0.0, 1.5, 16)
    places = (np.arange(POINTS) + 0.5) * STEP
    feed = np.where(times >= 0.7, 0.2, 0.0)[None, :] * np.arange(5)[:, None] / 2
    films = np.stack([_film(places, times, feed[i], rng) for i in range(5)])
    films = films + noise * rng.standard_normal(films.shape)
    all_times = np.tile(times, (5, 1))
    all_times[1, 13:] = np.nan
    films[2, 4, 7] = np.nan
    return {"time": all_times, "c": films, "feed": feed, "depth": places}


def _film(places: np.ndarray, times: np.ndarray, feed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    c = 0.1 + 0.6 * np.exp(-(((places - rng.uniform(0.2, 0.8)) / 0.15) ** 2))
    frames = [c]
    for k in range(len(times) - 1):
        held = float(feed[k])
        span = (times[k], times[k + 1])
        c = solve_ivp(lambda _, y, held=held: rate(y, held), span, c, rtol=1e-9, atol=1e-11).y[:, -1]
        frames.append(c)
    return np.stack(frames)


def write_space(folder: Path, space: str = SPACE, **changed: np.ndarray | None) -> Path:
    """A folder with the space and its data, of which some arrays are changed, or left out if None."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "space.toml").write_text(space, encoding="utf-8")
    held = {name: array for name, array in (arrays() | changed).items() if array is not None}
    np.savez(folder / "data.npz", **held)
    return folder
