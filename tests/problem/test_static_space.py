"""A problem without time: rows are samples, states are outputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archsearch.candidate.check import check
from archsearch.errors import RequestError, SpaceError
from archsearch.problem.loading import assumptions, load_problem
from archsearch.proposers.grammar import GrammarProposer

SPACE = """
[problem]
title = "Uptake"
kind = "static"

[data]
file = "data.csv"

[[states]]
name = "uptake"
unit = "mol/kg"

[[inputs]]
name = "pressure"
unit = "bar"

[[parameters]]
name = "affinity"
value = 0.5
low = 0.0
unit = "mol/(kg*bar)"

[[terms]]
name = "henry"
expression = "affinity * pressure"
equations = { uptake = "+" }
"""
DATA = "pressure,uptake\n" + "".join(f"{row},{0.4 * row}\n" for row in range(1, 21)) + "3.5,\n"

MakeSpace = Callable[[str, str], Path]


def test_rows_are_samples_and_are_held_out_as_such(make_space: MakeSpace) -> None:
    problem = load_problem(str(make_space(SPACE, DATA)))
    parts = (problem.train, problem.validation, problem.test)
    assert [part.trajectories.times.shape for part in parts if part] == [(13, 1), (4, 1), (4, 1)]
    for part in parts[1:]:
        assert part is not None
        assert not part.given.any(), "there is nothing to start from"
        assert part.scored.all()
    rows = sorted(int(name) for part in parts if part for name in part.trajectories.ids)
    assert rows == list(range(1, 22))
    np.testing.assert_allclose(problem.train.trajectories.inputs[:, 0, 0].max(), 20, atol=7)
    assert problem.space.slots[0].inputs == ("pressure",)
    assert problem.space.library == ()


def test_rows_are_held_out_by_region_or_by_number(make_space: MakeSpace) -> None:
    region = 'kind = "static"\n\n[split]\nby = "region"\nvalidation_where = "pressure > 15"'
    held = load_problem(str(make_space(SPACE.replace('kind = "static"', region), DATA))).validation.trajectories
    assert held.inputs.min() == 16
    listed = region.replace("region", "trajectory").replace('validation_where = "pressure > 15"', "validation = [3, 4]")
    held = load_problem(str(make_space(SPACE.replace('kind = "static"', listed), DATA))).validation.trajectories
    assert held.ids == ("3", "4")


def test_what_is_assumed_speaks_of_samples(make_space: MakeSpace) -> None:
    said = "\n".join(assumptions(load_problem(str(make_space(SPACE, DATA))).space))
    assert "20% of the samples" in said
    assert "initial" not in said
    assert "rollout" not in said
    assert "seeing pressure" in said


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('file = "data.csv"', 'file = "data.csv"\ntime = "t"', r"data\.time: expected none"),
        ('file = "data.csv"', 'file = "data.csv"\ntrajectory = "run"', r"data\.trajectory: expected none"),
        ("[data]", '[split]\nby = "time"\n\n[data]', r"split\.by: expected \"trajectory\" or \"region\""),
        ("[data]", '[split]\nstart = "first"\n\n[data]', r"split\.start: expected none"),
        ('unit = "mol/kg"', "observed = false\ninitial = 1.0", r"states\.uptake\.observed: expected true"),
        ('unit = "mol/kg"', 'unit = "mol/kg"\ninitial = 1.0', r"states\.uptake\.initial: expected none"),
        ("affinity * pressure", "affinity * uptake", r"terms\.henry\.expression: .* found 'uptake'"),
        ("affinity * pressure", "affinity * pressure * t", r"terms\.henry\.expression: .* found 't'"),
        ("affinity * pressure", "pressure", r"terms\.henry\.expression: .*\(the unit of uptake\)"),
        ("[[terms]]", '[[slots]]\nname = "n"\nequation = "uptake"\ninputs = ["uptake"]\n\n[[terms]]', "an output"),
    ],
)
def test_what_makes_no_sense_without_time_is_told(make_space: MakeSpace, old: str, new: str, finding: str) -> None:
    with pytest.raises(SpaceError) as raised:
        load_problem(str(make_space(SPACE.replace(old, new, 1), DATA)))
    assert re.search(finding, str(raised.value)), str(raised.value)


def test_a_static_problem_needs_conditions(make_space: MakeSpace) -> None:
    without = SPACE[: SPACE.index("[[inputs]]")]
    with pytest.raises(SpaceError, match=r"inputs: expected \[\[inputs\]\] with at least one name"):
        load_problem(str(make_space(without, DATA)))


def test_a_model_in_time_is_told_that_a_static_problem_has_none(make_space: MakeSpace) -> None:
    space = load_problem(str(make_space(SPACE, DATA))).space
    found = check("class Candidate(HybridModel):\n    def rhs(self, t, x, u):\n        return {}\n", space)
    assert any("problem is static" in finding.message for finding in found)


def test_a_search_of_a_static_problem_is_refused_with_what_can_be_done(make_space: MakeSpace) -> None:
    with pytest.raises(RequestError, match="static") as refused:
        GrammarProposer(load_problem(str(make_space(SPACE, DATA))).space, 0)
    assert "output(self, x, u)" in refused.value.remedy
