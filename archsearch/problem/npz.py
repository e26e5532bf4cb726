"""Read arrays from an NPZ file that may be damaged, or somebody else's; never a pickle."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class NpzError(Exception):
    """What was found instead of an NPZ file of plain arrays, as the end of a sentence."""


def read_npz(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an NPZ file by name.

    Raises:
        NpzError: it is none, or is damaged, or holds pickled objects.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise NpzError("found something else")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except _DAMAGE as error:
        # numpy's own words advise to load what is pickled
        found = "pickled objects, which are never loaded" if "pickle" in str(error) else f"damaged ones ({error})"
        raise NpzError(f"found {found}") from error
