"""Load a problem: a space file with its data, split and scaled."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archsearch.bundled import SPACE_FILE, space_file
from archsearch.errors import DataError
from archsearch.problem.assembling import assemble
from archsearch.problem.default_library import with_default_library
from archsearch.problem.defaults import assumptions, with_default
from archsearch.problem.frames import assemble_fields, with_spacing
from archsearch.problem.problem import Part, Problem
from archsearch.problem.readers import DataTable, read_arrays, read_table
from archsearch.problem.scales import spread
from archsearch.problem.space import SearchSpace
from archsearch.problem.splitting import completed, split_parts
from archsearch.problem.toml import read_space
from archsearch.problem.trajectories import Floats, Trajectories

__all__ = ["assumptions", "load_problem", "read_data"]


def load_problem(request: str) -> Problem:
    """Load what a name, a folder or a file stands for.

    Raises:
        RequestError: there is no such space.
        SpaceError: the space file is wrong; carries every finding.
        DataError: the data are not what the space says, or cannot be split so.
    """
    path = space_file(request)
    space = read_space(path)
    space, trajectories = read_data(space, path.parent)
    space = with_default(space, split=completed(space.split, trajectories))
    train, validation, test = split_parts(trajectories, space)
    return Problem(
        space=with_default_library(space, train.trajectories),
        folder=path.parent,
        name=path.resolve().parent.name if path.name == SPACE_FILE else path.stem,
        train=train,
        validation=validation,
        test=test,
        scales=_scales(train),
        fingerprint=_fingerprint(path, space, trajectories),
    )


def read_data(space: SearchSpace, folder: Path) -> tuple[SearchSpace, Trajectories]:
    """All trajectories of a space, from its file or its simulator, and the space with what only the data tell.

    Raises:
        DataError: the data are not what the space says.
    """
    if space.is_field:
        return _read_fields(space, folder)
    data = space.data
    if data.file is not None:
        return space, assemble(read_table(folder / data.file, data.time, data.trajectory), space)
    return space, assemble(_simulated(str(data.simulator), data.seed), space)


def _read_fields(space: SearchSpace, folder: Path) -> tuple[SearchSpace, Trajectories]:
    """The same where states are fields: whole arrays in place of a table."""
    from archsearch.systems import simulate

    data = space.data
    source = data.file or f"simulator {data.simulator}"
    if data.file is not None and Path(data.file).suffix.lower() != ".npz":
        raise DataError(
            f"{source}: expected an NPZ file where states are fields on a grid, found '{Path(data.file).suffix}'",
            "Write it with numpy.savez: each state as an array (trajectories, times, axes of the grid).",
        )
    arrays = read_arrays(folder / data.file) if data.file else simulate(str(data.simulator), data.seed)
    trajectories = assemble_fields(source, arrays, space)
    return with_spacing(source, arrays, space, trajectories.grid), trajectories


def _simulated(name: str, seed: int) -> DataTable:
    """What a simulator measures, as if read from a file."""
    from archsearch.systems import simulate

    columns = {column: _as_column(values) for column, values in simulate(name, seed).items()}
    if any(values.ndim != 1 for values in columns.values()):
        raise DataError(
            f"simulator {name}: expected [grid] and [[axes]], since its states are fields, found neither",
            f"Start from: archsearch new DIR --from {name}",
        )
    rows = len(next(iter(columns.values())))
    return DataTable(f"simulator {name}", columns, "row", np.arange(1, rows + 1), "trajectory")


def _as_column(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.astype(np.float64) if values.dtype.kind in "fiub" else values.astype(str).astype(object)


def _scales(train: Part) -> Floats:
    """(n,), the spread of the training observations of each state."""
    states = train.trajectories.states
    return np.array([spread(states[..., column]) for column in range(states.shape[-1])])


def _fingerprint(path: Path, space: SearchSpace, trajectories: Trajectories) -> str:
    """SHA-256 over the space file and its data."""
    digest = hashlib.sha256(path.read_bytes())
    if space.data.file is not None:
        digest.update((path.parent / space.data.file).read_bytes())
        return digest.hexdigest()
    digest.update("\n".join(trajectories.ids).encode())
    for array in (trajectories.times, trajectories.states, trajectories.inputs):
        # six digits, since another machine's mathematics library may differ in the last ones
        digest.update(" ".join(f"{value:.6g}" for value in array.ravel().tolist()).encode())
    return digest.hexdigest()
