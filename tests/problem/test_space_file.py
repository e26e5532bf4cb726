"""A space file is read with all that is wrong at once, and what it leaves open is filled in and told."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

from archsearch.errors import RequestError, SpaceError
from archsearch.problem import naming
from archsearch.problem.defaults import assumptions
from archsearch.problem.expressions import parse
from archsearch.problem.toml import read_space

LEAST = """
[data]
file = "data.csv"
[[states]]
name = "hare"
[[states]]
name = "lynx"
"""


def findings(make_space, text: str) -> tuple[str, ...]:
    with pytest.raises(SpaceError) as caught:
        read_space(make_space(text) / "space.toml")
    return caught.value.findings


def test_a_good_file_is_read_as_it_stands(make_space, hares) -> None:
    space = read_space(make_space(hares) / "space.toml")
    assert space.state_names == ("hare", "lynx")
    assert [term.name for term in space.terms] == ["pressure", "growth", "predation"]
    assert space.slots[1].structure.zero_at == {"hare": 0.0}
    assert space.split.validation_from == 4.0
    assert space.objective.states == ("hare",)


def test_all_that_is_wrong_is_told_at_once(make_space, hares) -> None:
    text = hares
    for good, bad in [
        ('title = "Hares', 'titel = "Hares'),
        ('by = "time"', 'by = "tme"'),
        ("value = 0.5", 'value = "much"'),
        ('"pressure * hare"', '"pressure * har"'),
        ('equation = "lynx"', 'equation = "lnyx"'),
        ('"hare >= 0"', '"hare"'),
        ('roles = ["scale"]', 'roles = ["skale"]'),
    ]:
        text = text.replace(good, bad, 1)
    keys = [line.split(":")[0] for line in findings(make_space, text)]
    assert keys == [
        "problem.titel",
        "split.by",
        "parameters.growth_rate.value",
        "slots.appetite.roles #1",
        "terms.predation.expression",
        "slots.hidden_food.equation",
        "constraints.alive.expression",
    ]


def test_what_could_not_be_read_is_not_called_unknown_as_well(make_space, hares) -> None:
    broken = hares.replace('name = "attack_rate"\nvalue = 0.02', 'name = "attack_rate"\nvalue = "x"')
    assert len(findings(make_space, broken)) == 1


def test_each_finding_is_one_line_with_key_expected_and_found(make_space, hares) -> None:
    for line in findings(make_space, hares.replace("hare", "hase", 3).replace("[objective]", "[objektive]")):
        assert "\n" not in line
        assert ": expected " in line
        assert "found" in line


def test_data_and_state_names_alone_are_a_problem(make_space) -> None:
    space = read_space(make_space(LEAST) / "space.toml")
    assert space.problem.title == "mine"
    assert [(slot.equation, slot.roles, slot.inputs) for slot in space.slots] == [
        ("hare", ("add",), ("hare", "lynx")),
        ("lynx", ("add",), ("hare", "lynx")),
    ]
    assert space.objective.states == ("hare", "lynx")
    told = "\n".join(assumptions(space))
    assert "no terms" in told
    assert "no slots" in told


def test_what_was_written_is_not_told_as_assumed(make_space, hares) -> None:
    told = assumptions(read_space(make_space(hares) / "space.toml"))
    assert not [line for line in told if "no terms" in line or "no slots" in line or "no kind of split" in line]


def test_slots_may_be_ruled_out(make_space) -> None:
    assert read_space(make_space("slots = []\n" + LEAST) / "space.toml").slots == ()


def test_a_slot_on_a_parameter_replaces_it_unless_told_otherwise(make_space, hares) -> None:
    space = read_space(make_space(hares.replace('roles = ["scale"]\n', "")) / "space.toml")
    assert space.slots[1].roles == ("replace",)
    assert any("appetite" in line for line in assumptions(space))


def test_a_log_scale_makes_a_state_positive(make_space) -> None:
    space = read_space(make_space(LEAST + 'scale = "log"\n') / "space.toml")
    assert [state.positive for state in space.states] == [False, True]


def test_ids_may_be_written_as_numbers(make_space) -> None:
    space = read_space(make_space('[split]\nby = "trajectory"\nvalidation = [1, "b"]\n' + LEAST) / "space.toml")
    assert space.split.validation == ("1", "b")


def test_a_space_without_units_is_not_asked_for_any(make_space, hares) -> None:
    bare = re.sub(r'unit = ".*?"\n', "", re.sub(r"(time_unit|counting_units) = .*\n", "", hares))
    bare = bare.replace('"attack_rate * lynx"', '"attack_rate + exp(lynx)"')
    assert read_space(make_space(bare) / "space.toml").states[0].unit == "1"


def test_equal_units_may_be_written_differently(make_space, hares) -> None:
    space = read_space(make_space(hares.replace('unit = "1/yr"', 'unit = "year**-1"')) / "space.toml")
    assert space.parameters[0].unit == "year**-1"


def test_the_time_may_stand_in_an_expression(make_space, hares) -> None:
    text = hares.replace('"growth_rate * hare"', '"growth_rate * hare * (1 + sin(growth_rate * t))"')
    assert "t" in parse(read_space(make_space(text) / "space.toml").terms[1].expression).names


def test_a_missing_file_is_a_wrong_request(tmp_path) -> None:
    with pytest.raises(RequestError, match="Expected a space file"):
        read_space(tmp_path / "space.toml")


def test_the_names_that_torch_needs_are_taken() -> None:
    public = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    assert public - naming.ATTRIBUTES == set()


def test_the_names_that_the_model_language_needs_are_taken() -> None:
    from archsearch.hybrid import HybridModel

    class Candidate(HybridModel):
        def rhs(self, t, x, u):
            return {"a": -x.a}

    public = {name for name in dir(Candidate(states=("a",))) if not name.startswith("_")}
    assert public - naming.ATTRIBUTES == set()


def test_reading_a_space_loads_no_torch(make_space, hares) -> None:
    folder = make_space(hares)
    code = (
        "import sys; from archsearch.problem.loading import load_problem; "
        f"load_problem({str(folder)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_room_loads_no_heavy_library() -> None:
    code = (
        "import sys; import archsearch.problem.loading, archsearch.problem.starting, archsearch.problem.figures; "
        "sys.exit(bool({'torch', 'polars', 'pint', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
