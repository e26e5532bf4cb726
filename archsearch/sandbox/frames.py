"""The one message that a job sends back, written by a process that nobody trusts.

A frame is a magic word, the length of a header (u32), the length of a blob (u64), both little-endian, then the header,
a JSON object, then the blob, raw bytes. Lengths are checked before anything is kept, so that a liar costs no memory;
the header is read strictly, because the JSON of the standard library accepts more than JSON; the blob is never looked
into here. Nothing is ever unpickled or unpacked.
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Iterable
from itertools import chain
from typing import Any, final

MAGIC = b"ASF1"
LENGTHS = struct.Struct("<4sIQ")
MOST_HEADER_BYTES = 1 << 18
MOST_DEPTH = 16
"""Of nested lists and objects: what is deeper makes code that walks it fail, and no job has a use for it."""
MOST_DIGITS = 18
"""Of an integer, so that it fits 64 bits and turns into a float without overflow."""


class FrameError(ValueError):
    """What a job sent is not a frame of the kind that was asked for."""


def frame_head(header: dict[str, Any], blob_bytes: int) -> bytes:
    """Everything of a frame but its blob.

    Raises:
        FrameError: the header cannot be sent.
    """
    try:
        text = json.dumps(header, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"the header is no JSON: {error}") from error
    if len(text) > MOST_HEADER_BYTES:
        raise FrameError(f"the header has {len(text)} bytes, at most {MOST_HEADER_BYTES} are read")
    return LENGTHS.pack(MAGIC, len(text), blob_bytes) + text


@final
class FrameReader:
    """Takes a frame piece by piece and refuses it as soon as it cannot be right.

    Args:
        most_bytes: the longest blob that is accepted.
        exact: accept no other length than that, but none at all: a job that failed has no blob.
    """

    def __init__(self, most_bytes: int, exact: bool) -> None:
        self._most_bytes, self._exact = most_bytes, exact
        self._head = bytearray()
        self._blob = io.BytesIO()  # its value is handed out without a copy
        self._header_bytes: int | None = None
        self._blob_bytes = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            FrameError: it is no frame, or one that was not asked for.
        """
        rest = self._take_head(memoryview(piece))
        if len(rest) > self._blob_bytes - self._blob.tell():
            raise FrameError("it goes on after its end")
        self._blob.write(rest)

    def finish(self) -> tuple[dict[str, Any], bytes]:
        """Header and blob, once everything was fed.

        Raises:
            FrameError: it is not whole, or its header is not a strict JSON object.
        """
        if self._header_bytes is None or len(self._head) < self._head_bytes or self._blob.tell() < self._blob_bytes:
            raise FrameError("there is no whole frame" if self._head else "there is none")
        return strict_object(bytes(self._head[LENGTHS.size :])), self._blob.getvalue()

    @property
    def _head_bytes(self) -> int:
        """How long the head is, as far as that is known."""
        return LENGTHS.size + (self._header_bytes or 0)

    def _take_head(self, piece: memoryview) -> memoryview:
        """Fill up the head; what is left of the piece."""
        while piece and len(self._head) < self._head_bytes:
            lacking = self._head_bytes - len(self._head)
            self._head += piece[:lacking]
            piece = piece[lacking:]
            if self._header_bytes is None and len(self._head) == LENGTHS.size:
                self._take_lengths()
        return piece

    def _take_lengths(self) -> None:
        magic, header_bytes, blob_bytes = LENGTHS.unpack(self._head)
        if magic != MAGIC:
            raise FrameError("it does not begin like a frame")
        if header_bytes > MOST_HEADER_BYTES:
            raise FrameError(f"its header has {header_bytes} bytes, at most {MOST_HEADER_BYTES} are read")
        if self._exact and blob_bytes not in (0, self._most_bytes):
            raise FrameError(f"it has {blob_bytes} bytes, expected exactly {self._most_bytes}")
        if blob_bytes > self._most_bytes:
            raise FrameError(f"it has {blob_bytes} bytes, at most {self._most_bytes} are read")
        self._header_bytes, self._blob_bytes = header_bytes, blob_bytes


def strict_object(content: bytes) -> dict[str, Any]:
    """A JSON object: unique keys, finite numbers, no deep nesting, text that can be written down again.

    Raises:
        FrameError: it is not one.
    """
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refused,
            parse_float=_finite,
            parse_int=_short,
        )
        _check_depth_and_text(found)
    except (ValueError, RecursionError) as error:  # ValueError: among them FrameError and those of Unicode
        raise FrameError(f"its header is not JSON as it should be: {error}") from None
    if not isinstance(found, dict):
        raise FrameError("its header is no JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FrameError("a key stands there twice")
    return found


def _refused(name: str) -> Any:
    raise FrameError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise FrameError("a number is not finite")
    return value


def _short(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise FrameError("an integer is too long")
    return int(text)


def _check_depth_and_text(found: Any) -> None:
    """Level by level and without recursion, which is what it guards others from.

    Text with lone surrogates is refused too: it cannot be encoded, so it could be written down nowhere.
    """
    level = [found]
    for _ in range(MOST_DEPTH):
        for text in level:
            if isinstance(text, str):
                text.encode()
        level = [item for value in level for item in _inside(value)]
        if not level:
            return
    raise FrameError("it is nested too deeply")


def _inside(value: Any) -> Iterable[Any]:
    """What a list or an object holds, keys too; nothing for anything else."""
    if isinstance(value, dict):
        return chain(value, value.values())
    return value if isinstance(value, list) else ()
