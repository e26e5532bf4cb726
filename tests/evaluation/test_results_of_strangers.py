"""Weights and predictions are bytes that a stranger wrote: each is read, or refused as a failure of the candidate."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from archsearch.evaluation.claims import claimed_terms
from archsearch.evaluation.failures import FailedError, failure_of
from archsearch.evaluation.predictions import Asked, bytes_of, gates_within, read_predictions
from archsearch.evaluation.weights import Expected, count_net, count_weights, read_weights
from archsearch.problem.problem import Part
from archsearch.problem.trajectories import Trajectories
from archsearch.sandbox.report import Report
from archsearch.settings import Limits

MANY = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HONEST = save({"param.a": np.array(0.5), "net.f.weight_0": np.ones((3, 4)), "initial": np.arange(2.0)})


def written(header: Any, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def kind_of(read: Callable[[], Any]) -> str:
    """The kind of the failure that reading something ends in; empty if it ends well."""
    try:
        read()
    except FailedError as failed:
        return failed.failure.kind
    return ""


def said(begin: int, end: int, shape: list[Any], dtype: str = "F64") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


numbers = (
    st.integers(-(2**40), 2**40) | st.integers(-2, 40) | st.none() | st.text(max_size=3) | st.floats() | st.booleans()
)
entries = st.dictionaries(
    st.sampled_from(["dtype", "shape", "data_offsets", "more"]),
    st.sampled_from(["F64", "F32"]) | st.lists(numbers, max_size=3) | numbers,
)
headers = st.dictionaries(
    st.text(max_size=6), entries | st.none() | st.integers() | st.lists(st.integers()), max_size=3
)
forged = st.builds(written, headers, st.binary(max_size=64))
damaged = st.builds(
    lambda at, what, end: (HONEST[:at] + what + HONEST[at + len(what) :])[:end],
    st.integers(0, len(HONEST)),
    st.binary(max_size=9),
    st.integers(0, len(HONEST)) | st.just(10**6),
)


@given(st.binary(max_size=300) | forged | damaged)
@example(b"")
@example(struct.pack("<Q", 2**63) + b"{}")
@example(written({}))
@example(written({"a": said(0, 8, [])}, struct.pack("<d", float("nan"))))
@example(written({"a": said(0, 8, [True])}, b"x" * 8))
@MANY
def test_any_bytes_are_weights_or_a_failure(content: bytes) -> None:
    kind = kind_of(lambda: read_weights(content))
    assert kind in ("", "result")
    if kind:
        return
    ours, theirs = read_weights(content), load(content)
    assert set(ours) == set(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])
        assert array.dtype == np.float64
        assert np.isfinite(array).all()


@pytest.mark.parametrize(
    "content",
    [
        written({"a": said(0, 8, [1], "F32")}, b"x" * 8),
        written({"a": said(0, 8, [2])}, b"x" * 8),
        written({"a": said(0, 8, [1]), "b": said(0, 8, [1])}, b"x" * 8),
        written({"a": said(8, 16, [1])}, b"x" * 16),
        written({"a": said(0, 8, [1])}, b"x" * 16),
        written({"a": said(0, 16, [2])}, b"x" * 8),
        written({"a": said(0, 8, [1, 1, 1, 1, 1])}, b"x" * 8),
        written({"a": said(0, 8, [-1, -1])}, b"x" * 8),
        written({"\x1b[2J": said(0, 8, [1])}, b"x" * 8),
        written({"a" * 1000: said(0, 8, [1])}, b"x" * 8),
        written({"a": said(0, 0, [0])}),
        written({"a": said(0, 0, [12345, 67890, 0])}),
        written({"__metadata__": {"x": "y"}}),
        b"\x80\x04K\x01.",
    ],
)
def test_forged_weights_are_refused(content: bytes) -> None:
    with pytest.raises(FailedError):
        read_weights(content)


@pytest.mark.parametrize("shape", [[1 << 40], [1 << 20, 1 << 20], [10**18]])
def test_weights_that_claim_to_be_large_cost_no_memory(shape: list[int]) -> None:
    content = written({"a": said(0, 8 * int(np.prod(shape, dtype=object)), shape)}, b"x" * 8)
    tracemalloc.start()
    with pytest.raises(FailedError):
        read_weights(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 18


def test_reading_weights_copies_nothing() -> None:
    content = save({"net.f.weight_0": np.ones(1 << 19)})
    tracemalloc.start()
    read_weights(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20, "one byte a number, to see which are finite"


EXPECTED = Expected(
    state=(2,),
    seen=3,
    trajectories=frozenset({"1"}),
    parameters=frozenset({"a", "ca"}),
    words=frozenset({"a", "Param", "f", "Net", "x", "can"}),
)


@pytest.mark.parametrize(
    ("name", "shape", "counted"),
    [
        ("param.a", (), 0),
        ("raw.a", (), 0),
        ("param.a", (50,), 50 + 1),
        ("param.hidden", (), 1 + 2),
        ("param.ca", (), 1 + 1),
        ("net.f.weight_0", (3, 4), 12),
        ("net.f.bias_0", (4,), 4),
        ("net.f.mean", (3,), 3),
        ("net.f.mean", (4,), 4),
        ("net.f.memory", (300,), 300 + 2),
        ("net.unwritten.weight_0", (3, 4), 12 + 3),
        ("net.ca.weight_0", (3, 4), 12 + 2),
        ("net.f.weight_" + 200 * "7", (1,), 1 + 27),
        ("\N{PILE OF POO}" * 80, (1,), 1 + 40),
        ("initial", (2,), 0),
        ("initial.1", (2,), 0),
        ("initial.1", (200,), 200 + 2),
        ("initial.2", (2,), 2 + 2),
        ("training.stiff", (1,), 0),
        ("training.stiff", (9,), 9 + 2),
        ("training.scale", (2,), 0),
        ("training data", (1000,), 1000 + 2),
    ],
)
def test_what_a_candidate_carries_counts_whatever_it_is_called(name: str, shape: tuple[int, ...], counted: int) -> None:
    assert count_weights({name: np.zeros(shape)}, EXPECTED) == counted


def test_the_scales_of_a_net_do_not_count_where_there_is_one() -> None:
    fitted, scales = {"net.f.weight_0": np.zeros((4, 3))}, {"net.f.mean": np.zeros(3), "net.g.mean": np.zeros(3)}
    assert count_weights(fitted | scales, EXPECTED) == 12 + 3 + 2


def test_a_net_of_two_numbers_has_no_eight_scales() -> None:
    scales = {f"net.f.{kind}": np.zeros(2) for kind in ("mean", "std", "scale", "shift")}
    assert count_weights({"net.f.weight_0": np.zeros(2)} | scales, EXPECTED) == 2 + (8 - 2)
    assert count_weights({"net.f.weight_0": np.zeros(8)} | scales, EXPECTED) == 8


def test_a_field_leaves_one_number_of_each_state_beside_where_it_starts() -> None:
    grid = replace(EXPECTED, state=(20, 2))
    arrays = {"initial.1": np.zeros((20, 2)), "training.scale": np.zeros(2), "initial": np.zeros(2)}
    assert count_weights(arrays, grid) == 0
    for name in ("training.scale", "training.spread", "initial"):
        assert count_weights({name: np.zeros((20, 2))}, grid) >= 40


def test_the_weights_of_a_net_are_those_of_its_own_name() -> None:
    arrays = {"net.f.weight_0": np.ones(5), "net.f.mean": np.ones(3), "net.ff.weight_0": np.ones(7)}
    assert (count_net(arrays, "f"), count_net(arrays, "ff"), count_net(arrays, "")) == (5, 7, 0)


def part(many: int, most: int) -> Part:
    times = np.tile(np.arange(float(most)), (many, 1))
    states = np.zeros((many, most, 2))
    ids = tuple(map(str, range(many)))
    trajectories = Trajectories(ids, times, states, np.zeros((many, most, 0)), np.full(many, most))
    everything = np.ones((many, most), dtype=bool)
    return Part(trajectories, everything, everything, "first")


ASKED = {"one": Asked(part(2, 3), dense=2, gates=("t",)), "other": Asked(part(1, 4))}


@given(st.binary(max_size=500) | st.integers(0, 80).map(lambda size: bytes(8 * size)))
@example(bytes(8 * (2 * 5 * 2 + 2 * 3 * 2 + 4 * 2)))
@MANY
def test_any_bytes_are_predictions_or_a_failure(blob: bytes) -> None:
    wanted = 8 * (2 * 5 * 2 + 2 * 3 * 2 + 4 * 2)
    assert bytes_of(ASKED) == wanted
    kind = kind_of(lambda: read_predictions(blob, ASKED))
    assert kind == ("" if len(blob) == wanted else "result")
    if kind:
        return
    found = read_predictions(blob, ASKED)
    assert {name: array.shape for name, array in found["one"].items()} == {
        "times": (2, 3),
        "states": (2, 3, 2),
        "dense_times": (2, 5),
        "dense_states": (2, 5, 2),
        "without.t": (2, 3, 2),
    }


def test_predictions_are_read_in_the_order_that_was_asked_for() -> None:
    count = bytes_of(ASKED) // 8
    found = read_predictions(np.arange(float(count)).astype("<f8").tobytes(), ASKED)
    np.testing.assert_array_equal(found["one"]["dense_states"].reshape(-1), np.arange(20.0))
    np.testing.assert_array_equal(found["one"]["states"], found["one"]["dense_states"][:, ::2])
    np.testing.assert_array_equal(found["one"]["without.t"].reshape(-1), np.arange(20.0, 32.0))
    np.testing.assert_array_equal(found["other"]["states"].reshape(-1), np.arange(32.0, 40.0))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMING = """class Candidate:
    def rhs(self, t, x, u):
        return {"level": self.term("a", x.level) + self.term("0", 1.0)}
"""
claims = st.dictionaries(st.sampled_from(["terms", "failure", "kind", "message", "nets"]), json_like)


@given(claims)
@MANY
def test_any_claims_are_a_list_of_terms_or_a_failure(header: dict[str, Any]) -> None:
    kind = kind_of(lambda: claimed_terms(header, NAMING))
    assert kind in ("", "result")
    if kind:
        return
    terms = claimed_terms(header, NAMING)
    assert len(set(terms)) == len(terms)
    assert set(terms) <= {"a", "0"}


def test_terms_that_the_source_does_not_name_are_not_believed() -> None:
    assert claimed_terms({"terms": ["b", "0", "a", "0"]}, NAMING) == ("0", "a")


@pytest.mark.parametrize(
    ("most_bytes", "expected"), [(0, 0), (223, 0), (319, 0), (320, 1), (415, 1), (416, 2), (9999, 3)]
)
def test_as_many_gates_are_asked_for_as_fit_beside_what_is_scored(most_bytes: int, expected: int) -> None:
    asked = {"one": Asked(part(2, 3), dense=2), "other": Asked(part(1, 4))}
    assert bytes_of(asked) == 224, "asked for however little room there is"
    gates = gates_within(most_bytes, asked, asked["one"].part, ("a", "b", "c"))
    assert gates == ("a", "b", "c")[:expected]
    whole = bytes_of(asked | {"one": replace(asked["one"], gates=gates)})
    assert whole <= max(most_bytes, 224)


@given(st.builds(lambda kind, message: {"failure": {"kind": kind, "message": message}}, json_like, json_like) | claims)
@MANY
def test_a_failure_that_is_claimed_is_short_and_printable(header: dict[str, Any]) -> None:
    failure = failure_of(Report(0, header=header, blob=b""), Limits())
    if failure is None:
        assert not isinstance(header.get("failure"), dict)
        return
    assert failure.kind in ("load", "fit", "memory", "diverged")
    assert all(c.isprintable() or c in "\n\t" for c in failure.message)
    assert len(failure.message) <= 2000
