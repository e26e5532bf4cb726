"""A problem is loaded whole: split, scaled, with a fingerprint that changes with space and data only."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from archsearch.problem.expressions import parse
from archsearch.problem.figures import draw_data
from archsearch.problem.loading import assumptions, load_problem
from archsearch.problem.units import parse_unit, same

SIMULATED = """
[problem]
title = "Simulated"
[data]
simulator = "made_up"
seed = 3
[[states]]
name = "x"
[[inputs]]
name = "u"
"""


def made_up(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "time": np.tile(np.arange(4.0), 5),
        "trajectory": np.repeat([f"run {k}" for k in range(5)], 4),
        "x": generator.normal(size=20),
        "u": np.ones(20),
    }


@pytest.fixture
def simulated(make_space, monkeypatch):
    import archsearch.systems

    monkeypatch.setitem(archsearch.systems.SIMULATORS, "made_up", made_up)
    return make_space(SIMULATED)


def test_a_problem_is_split_and_scaled_by_its_training_data(make_space) -> None:
    problem = load_problem(str(make_space()))
    assert problem.name == "mine"
    assert problem.train.trajectories.times.tolist() == [[0, 1, 2, 3.5]]
    np.testing.assert_allclose(problem.scales, [np.std([30, 47.2, 70.2, 77.4]), np.std([4, 6.1, 35.2])])
    assert problem.validation.scored.sum() == 2
    assert problem.test is not None
    assert problem.test.trajectories.times[problem.test.scored].tolist() == [6, 7]


def test_a_state_that_never_changes_still_has_a_scale(make_space, hares) -> None:
    data = "time,hare,lynx,hunting\n" + "".join(f"{k},5,{k % 3},0\n" for k in range(8))
    assert load_problem(str(make_space(hares, data))).scales[0] == 5.0


def test_the_fingerprint_follows_space_and_data_and_nothing_else(make_space, hares, hare_data) -> None:
    prints = [
        load_problem(str(make_space(space, data))).fingerprint
        for space, data in [
            (hares, hare_data),
            (hares, hare_data),
            (hares + "\n# x", hare_data),
            (hares, hare_data.replace("30", "31")),
        ]
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    assert all(len(text) == 64 for text in prints)


def test_a_simulator_stands_in_for_a_file(simulated) -> None:
    problem = load_problem(str(simulated))
    parts = [problem.train, problem.validation, problem.test]
    assert [len(part.trajectories) for part in parts if part] == [3, 1, 1]
    assert problem.train.trajectories.inputs.shape == (3, 4, 1)
    again = load_problem(str(simulated))
    assert again.fingerprint == problem.fingerprint


def test_what_was_assumed_survives_the_way_to_another_process(simulated) -> None:
    problem = load_problem(str(simulated))
    told = assumptions(problem.space)
    assert any("by trajectory" in line for line in told)
    assert any("no library" in line and "`interaction_...`" in line for line in told)
    assert assumptions(pickle.loads(pickle.dumps(problem.space))) == told


def test_the_default_library_fits_the_units_of_its_equations(make_space, hares) -> None:
    tables = ("parameters", "terms", "library", "slots", "constraints")
    bare = "\n\n".join(
        part for part in hares.split("\n\n") if not part.startswith(tuple(f"[[{name}" for name in tables))
    )
    space = load_problem(str(make_space(bare.replace("{ low = 1.0, high = 9.0 }", '"estimate"')))).space
    counting = space.problem.counting_units
    items = (*space.states, *space.inputs, *space.parameters)
    units = {item.name: parse_unit(item.unit, counting) for item in items}
    assert {term.name for term in space.library} == {
        f"{k}_{s}" for k in ("linear", "interaction") for s in ("hare", "lynx")
    }
    for term in space.library:
        for state in term.equations:
            assert same(parse(term.expression).unit(units), units[state] / parse_unit("yr", counting))
    assert all(item.low < item.value < item.high for item in space.parameters)


def test_a_space_with_terms_gets_no_default_library(make_space) -> None:
    assert [term.name for term in load_problem(str(make_space())).space.library] == ["hunted", "constant_pressure"]


def test_the_picture_shows_every_state_and_input(make_space) -> None:
    figure = draw_data(load_problem(str(make_space())))
    assert [axis.get_ylabel() for axis in figure.axes] == ["hare [hare]", "lynx [lynx]", "hunting [1/yr]"]
    shown = {tuple(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "o"}
    assert shown == {(30.0, 47.2, 70.2, 77.4), (36.3, 20.6), (18.1, 21.4)}
    joined = {tuple(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() != "o"}
    assert joined == {(30.0, 47.2, 70.2, 77.4), (77.4, 36.3, 20.6), (20.6, 18.1, 21.4)}
    names = [text.get_text().split(":")[0] for text in figure.legends[0].get_texts()]
    assert names == ["train", "validation", "test"]
    assert len(figure.axes[0].patches) == 2
    figure.savefig("/dev/null", format="png")
