"""Whatever bytes a job sends, reading them ends in a frame or a refusal: no other error, no code run."""

from __future__ import annotations

import json
import pickle
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archsearch.sandbox.frames import (
    LENGTHS,
    MAGIC,
    MOST_HEADER_BYTES,
    FrameError,
    FrameReader,
    frame_head,
    strict_object,
)

CAP = 1 << 16
MANY = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Bomb:
    """A pickle of it ends the process that reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (sys.exit, ("unpickled",))


def read(content: bytes, cap: int = CAP, exact: bool = False, piece: int = 1 << 17) -> tuple[dict[str, Any], bytes]:
    reader = FrameReader(cap, exact)
    for start in range(0, len(content), piece):
        reader.feed(content[start : start + piece])
    return reader.finish()


def outcome(content: bytes, exact: bool, piece: int) -> tuple[dict[str, Any], bytes] | str:
    """A frame, or why there is none."""
    try:
        return read(content, exact=exact, piece=piece)
    except FrameError as error:
        return str(error)


def frame(header: bytes, blob: bytes) -> bytes:
    return LENGTHS.pack(MAGIC, len(header), len(blob)) + header + blob


frames = st.builds(frame, st.binary(max_size=200) | st.just(b"{}"), st.binary(max_size=300))
lies = st.builds(
    lambda header, blob, rest: LENGTHS.pack(MAGIC, header, blob) + rest,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300),
)
cut = st.builds(lambda content, end: content[:end], frames, st.integers(0, 500))
longer = st.builds(lambda content, more: content + more, frames, st.binary(min_size=1, max_size=50))
pickles = st.sampled_from([pickle.dumps(Bomb()), frame(pickle.dumps(Bomb()), b""), frame(b"{}", pickle.dumps(Bomb()))])
anything = st.binary(max_size=600) | frames | lies | cut | longer | pickles


@given(anything, st.integers(1, 400), st.booleans())
@example(b"", 1, True)
@example(frame(b"{}", b""), 1, True)
@example(frame(b"[" * 100_000, b""), 1 << 17, False)
@example(frame(b'{"x": ' + b"9" * 60_000 + b"}", b""), 1 << 17, False)
@MANY
def test_any_bytes_are_a_frame_or_refused(content: bytes, piece: int, exact: bool) -> None:
    found = outcome(content, exact, piece)
    if isinstance(found, str):
        assert found.isprintable()
        assert len(found) < 500
        return
    header, blob = found
    assert content.endswith(blob)
    assert len(blob) in (0, CAP) if exact else len(blob) <= CAP
    json.dumps(header, allow_nan=False).encode()


@given(anything)
@MANY
def test_how_bytes_are_cut_into_pieces_changes_nothing(content: bytes) -> None:
    whole = outcome(content, False, 1 << 17)
    for piece in (1, 7):
        found = outcome(content, False, piece)
        assert found == whole or (isinstance(found, str) and isinstance(whole, str))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdefgh", max_size=5), json_values, max_size=6), st.binary(max_size=2000))
@MANY
def test_what_an_honest_job_sends_arrives(header: dict[str, Any], blob: bytes) -> None:
    assert read(frame_head(header, len(blob)) + blob, piece=13) == (header, blob)


@pytest.mark.parametrize(
    "text",
    [
        b'{"x": NaN}',
        b'{"x": Infinity}',
        b'{"x": 1e999}',
        b'{"x": 1, "x": 2}',
        b'{"x": {"y": 1, "y": 1}}',
        b'{"x": 123456789012345678901}',
        b'{"x": -1234567890123456789}',
        b'{"x": "\\ud800"}',
        b'{"\\udfff": 1}',
        b"[]",
        b"3",
        b'"x"',
        b"",
        b"{",
        b"{} {}",
        b"\xff{}",
        b"{'x': 1}",
        b'{"x":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"x":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    ],
)
def test_only_strict_json_is_a_header(text: bytes) -> None:
    with pytest.raises(FrameError):
        strict_object(text)


@pytest.mark.parametrize("header", [{"x": float("inf")}, {"x": object()}, {"x": "y" * MOST_HEADER_BYTES}, {(1, 2): 3}])
def test_a_header_that_would_be_refused_is_not_sent(header: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        frame_head(header, 0)


@pytest.mark.parametrize("claimed", [1 << 22, (1 << 22) + 1, 1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("sent", [0, 1 << 20, 1 << 23])
def test_no_more_memory_is_taken_than_the_cap_whatever_is_claimed_and_sent(claimed: int, sent: int) -> None:
    cap, piece = 1 << 22, b"x" * (1 << 16)
    tracemalloc.start()
    reader = FrameReader(cap, exact=False)
    try:
        reader.feed(LENGTHS.pack(MAGIC, 2, claimed) + b"{}")
        for _ in range(sent // len(piece)):
            reader.feed(piece)
        reader.finish()
    except FrameError:
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.2 * min(cap, sent) + (1 << 18)


def test_a_header_takes_no_more_memory_than_it_may() -> None:
    text = b'{"x": [' + b"0," * (MOST_HEADER_BYTES // 2 - 10) + b"0]}"
    tracemalloc.start()
    read(frame(text, b""))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30 * MOST_HEADER_BYTES


def test_nothing_that_is_read_is_unpickled() -> None:
    """The interpreter itself says when something is: by an audit event that every unpickler raises."""
    found: list[object] = []
    watching = [True]
    sys.addaudithook(lambda event, arguments: found.append(arguments) if watching[0] and "pickle" in event else None)
    for content in (pickle.dumps(Bomb()), frame(b"{}", pickle.dumps(Bomb())), frame(pickle.dumps(Bomb()), b"")):
        try:
            read(content)
        except FrameError:
            continue
    assert found == []
    with pytest.raises(SystemExit):
        pickle.loads(pickle.dumps(Bomb()))
    assert found, "the watch itself must work"
    watching[0] = False
