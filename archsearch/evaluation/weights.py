"""The weights that a fit returns: safetensors that a stranger wrote, read strictly and counted here.

The file is read by these few lines and not by a library, so that what is accepted is exactly this: a JSON header of
bounded length, float64 arrays that lie one behind the other without gap or overlap, every number finite. What is kept
and handed on is written anew: names, shapes and numbers are all that comes through, and what counts.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import save

from archsearch.evaluation.failures import FailedError, result_failure
from archsearch.evaluation.result import Arrays
from archsearch.problem.trajectories import Floats
from archsearch.sandbox.frames import FrameError, strict_object
from archsearch.training.predict import INITIAL, SCALE, SPREAD, STIFF

MOST_HEADER_BYTES = 1 << 20
MOST_LETTERS = 300
"""Of a name."""
BYTES = 8
"""Of a number: as many letters carry as much."""
FITTED = re.compile(r"net\.([^.]+)\.(weight|bias)_\d{1,2}")
CALIBRATED = re.compile(r"net\.([^.]+)\.(mean|std|scale|shift)")


def read_weights(content: bytes) -> Arrays:
    """Every array by name.

    Raises:
        FailedError: it is anything but finite float64 arrays as safetensors.
    """
    try:
        return _arrays(content)
    except (FrameError, KeyError, TypeError, ValueError, struct.error) as error:
        raise FailedError(result_failure(f"its arrays cannot be read: {error}")) from error


def _arrays(content: bytes) -> Arrays:
    (header_bytes,) = struct.unpack_from("<Q", content)
    if header_bytes > min(MOST_HEADER_BYTES, len(content) - 8):
        raise ValueError(f"their header has {header_bytes} bytes of {len(content)}")
    header = strict_object(content[8 : 8 + header_bytes])
    data = memoryview(content)[8 + header_bytes :]
    found, end = {}, 0
    for name, said in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        found[name], end = _array(name, said, data, end)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes belong to no array")
    return found


def _array(name: str, said: dict[str, Any], data: memoryview, start: int) -> tuple[Floats, int]:
    """One array, which begins where the one before it ended, and where it ends itself."""
    begin, end = said["data_offsets"]
    shape = said["shape"]
    if said["dtype"] != "F64":
        raise ValueError(f"{name[:MOST_LETTERS]} is not float64")
    if len(name) > MOST_LETTERS or not name.isprintable():
        raise ValueError("a name is not one that the trainer gives")
    if not all(type(size) is int and size >= 0 for size in (begin, end, *shape)) or len(shape) > 4 or 0 in shape:
        raise ValueError(f"{name} has no shape")
    if begin != start or end - begin != 8 * math.prod(shape) or end > len(data):
        raise ValueError(f"{name} does not lie where it should")
    array = np.frombuffer(data[begin:end], "<f8").reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    return array, end


def written(arrays: Arrays, trajectories: Mapping[str, str]) -> bytes:
    """The arrays as safetensors, of fitted initial states those of some trajectories alone.

    Args:
        arrays: what `read_weights` gave.
        trajectories: what they are to be called, by name: no rollout but their own has a use for where they start.
    """
    called = {f"{INITIAL}.{name}": f"{INITIAL}.{now}" for name, now in trajectories.items()}
    starts = {called[name]: array for name, array in arrays.items() if name in called}
    return save(starts | {name: array for name, array in arrays.items() if not name.startswith(f"{INITIAL}.")})


@dataclass(frozen=True)
class Expected:
    """What a fit leaves besides what the candidate fits: of these shapes it is no weight.

    Attributes:
        state: the shape of all states at one time.
        seen: the number of states and inputs: the most that a net is calibrated by.
        trajectories: the names of the training trajectories, which have an initial state each.
        parameters: the names of the declared parameters.
        words: of the program, among which are the names of its parameters and nets.
    """

    state: tuple[int, ...]
    seen: int
    trajectories: Collection[str]
    parameters: Collection[str]
    words: Collection[str]

    def is_known(self, name: str, array: Floats) -> bool:
        """Whether an array is one of those."""
        kind, _, rest = name.partition(".")
        if kind in ("param", "raw"):
            return rest in self.parameters and rest in self.words and array.shape == ()
        if kind == INITIAL and rest in self.trajectories:
            return array.shape == self.state
        if name in (INITIAL, SCALE, SPREAD):
            return array.shape == self.state[-1:]  # one number per state, also where a state is a field
        if name == STIFF:
            return array.shape == (1,)
        return False

    def letters(self, name: str) -> int:
        """How many numbers the letters of a name can carry; none if it is that of a part of a net in the source."""
        match = FITTED.fullmatch(name) or CALIBRATED.fullmatch(name)
        return 0 if match is not None and match[1] in self.words else math.ceil(len(name.encode()) / BYTES)

    def is_calibration(self, name: str, array: Floats) -> bool:
        """Whether an array may hold the scales of what goes into a net or comes out of it."""
        return CALIBRATED.fullmatch(name) is not None and array.size <= self.seen


def count_weights(arrays: Arrays, expected: Expected) -> int:
    """How many numbers the candidate carries from its fit into its predictions, declared parameters apart.

    Everything counts that is not known to be something else: what a candidate hides among its arrays, the training
    data, say, makes it as large as it is. So do the letters of a name that is none of the trainer's. The scales of a
    net are known up to as many as it has fitted numbers: a net of two weights has no use for eight.
    """
    unknown = {name: array for name, array in arrays.items() if not expected.is_known(name, array)}
    scales = {name: array for name, array in unknown.items() if expected.is_calibration(name, array)}
    carried = sum(array.size for name, array in unknown.items() if name not in scales)
    nets = {match[1] for name in scales if (match := CALIBRATED.fullmatch(name))}
    beyond = sum(max(0, _count(scales, net, CALIBRATED) - count_net(arrays, net)) for net in nets)
    return carried + beyond + sum(map(expected.letters, unknown))


def count_net(arrays: Arrays, net: str) -> int:
    """The fitted numbers of one net."""
    return _count(arrays, net, FITTED)


def _count(arrays: Arrays, net: str, kind: re.Pattern[str]) -> int:
    return sum(array.size for name, array in arrays.items() if name.startswith(f"net.{net}.") and kind.fullmatch(name))
