from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from exported_candidates import HEADER, SOURCES, Exported, record, small_problem

from archsearch.errors import RequestError, RunError
from archsearch.export.literals import double_quoted, literal
from archsearch.export.python import python_file
from archsearch.export.translate import translate


@pytest.fixture(scope="module")
def module(exported: dict[str, Exported]) -> ModuleType:
    spec = importlib.util.spec_from_file_location("exported_physics", exported["physics"].path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_an_exported_file_run_alone_reproduces_the_predictions(
    name: str, exported: dict[str, Exported], alone: dict[str, dict]
) -> None:
    for row, (trajectory, length) in enumerate({"a": 6, "b": 4}.items()):
        states = alone[name]["states"][trajectory]
        found = np.stack([states["X"], states["S"]], -1)
        np.testing.assert_allclose(found, exported[name].reference[row, :length], rtol=1e-6)


def test_an_exported_file_prints_its_equations_parameters_and_scores(alone: dict[str, dict]) -> None:
    printed = alone["physics"]["printed"]
    assert r"\frac{d\,X}{dt}" in printed
    assert "rate = 0.7 1/h" in printed
    assert "nrmse on the validation data: 0.1234" in printed
    assert "trajectory b" in printed


def test_an_exported_file_imports_torch_and_the_standard_library_only(exported: dict[str, Exported]) -> None:
    for item in exported.values():
        imports = [line for line in item.text.splitlines() if line.startswith(("import ", "from "))]
        roots = {line.split()[1].split(".")[0] for line in imports}
        assert roots - {"torch"} <= sys.stdlib_module_names


def test_what_the_file_says_about_itself(module: ModuleType) -> None:
    assert set(module.EQUATIONS) == {"X", "S"}
    assert module.PARAMETERS["rate"] == {
        "value": pytest.approx(0.7),
        "unit": "1/h",
        "low": 0.0,
        "high": None,
        "identified": True,
    }
    assert module.SCORES["validation"]["nrmse"] == 0.1234
    assert module.UNITS == {"X": "g/L", "S": "g/L", "D": "1/h"}
    assert "Chemostat_100 %" in module.__doc__
    assert "a-run" in module.__doc__


def test_the_equations_are_plain_code(exported: dict[str, Exported]) -> None:
    text = exported["physics"].text
    assert "self" not in text
    assert "growth = rate * x.X * x.S / (1.0 + x.S)" in text
    assert '"""Growth on what is fed."""' in text


def test_what_a_net_stands_in_the_place_of_is_not_computed(exported: dict[str, Exported]) -> None:
    text = exported["replaced"].text
    assert "rate * x.S" not in text
    assert "mu = kinetics(x.S)" in text
    assert '"rate"' in text, "its value is still told"


def test_names_of_the_candidate_hide_nothing(exported: dict[str, Exported]) -> None:
    text = exported["clashing"].text
    for name in ("array_ = array(", "t_ = array(", "growth_ = array(", "gravity = array(9.81)", "def simulate_(X):"):
        assert name in text


def test_missing_initial_states_fall_back_to_the_stored_ones(module: ModuleType) -> None:
    times = [0.0, 1.0]
    found = module.simulate(times, {"S": 2.0}, {"D": 0.1})
    same = module.simulate(times, {"S": 2.0, "X": module.INITIAL["X"]}, {"D": [0.1, 0.1]})
    assert found["X"].tolist() == same["X"].tolist()
    assert {"X": pytest.approx(0.7), "S": 3.5} == module.INITIAL, "the mean over training trajectories"


def test_inputs_hold_from_each_time_to_the_next(module: ModuleType) -> None:
    whole = module.simulate([0.0, 1.0, 2.0], None, {"D": [0.1, 0.5, 9.0]})
    first = module.simulate([0.0, 1.0], None, {"D": 0.1})
    initial = {name: value[-1].item() for name, value in first.items()}
    second = module.simulate([1.0, 2.0], initial, {"D": [0.5]})
    assert whole["S"][-1].item() == pytest.approx(second["S"][-1].item(), rel=1e-8)
    assert module.simulate([3.0], None, {"D": 0.0})["S"].tolist() == [3.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], None, {"D": 0}), "at least one time"),
        (([0, 1, 1], None, {"D": 0}), "increase strictly"),
        (([0, float("nan")], None, {"D": 0}), "increase strictly"),
        (([0, 1], {"Y": 1.0}, {"D": 0}), "no initial state 'Y'. There is: X, S"),
        (([0, 1], {"X": 0.0}, {"D": 0}), "Initial X: expected a positive number"),
        (([0, 1], {"S": float("inf")}, {"D": 0}), "Initial S: expected a finite number"),
        (([0, 1], None, None), "values of the input 'D' in 1/h"),
        (([0, 1], None, {"D": 0, "E": 1}), "no input 'E'"),
        (([0, 1, 2], None, {"D": [1.0, 2.0, 3.0, 4.0]}), "expected 3 finite values"),
        (([0, 1], None, {"D": [float("nan"), 1.0]}), "expected 2 finite values"),
        (([0, 1], None, {"D": 0}, {"age": 3}), "takes no context"),
    ],
)
def test_wrong_arguments_are_told_in_words(module: ModuleType, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module.simulate(*arguments)


def test_a_model_that_runs_away_says_where(module: ModuleType) -> None:
    module_slope = module.derivative
    module.derivative = lambda t, x, u: {"X": x.X * x.X, "S": 0.0}
    try:
        with pytest.raises(ArithmeticError, match=r"beyond t = (0\.99|1)"):
            module.simulate([0.0, 2.0], {"X": 1.0}, {"D": 0})
    finally:
        module.derivative = module_slope


RHS = "class Candidate(HybridModel):\n    def rhs(self, t, x, u):\n        return "


WIDE = """WIDTH = 3
class Candidate(HybridModel):
    n = Net(inputs=('X',), hidden=(WIDTH,))
    def rhs(self, t, x, u):
        return {}
"""


FIELD = f"from archsearch.hybrid import laplacian\n{RHS}" + '{"X": laplacian(x.X, (0.1,))}\n'
GUESSES = f'GUESS = 1.0\n{RHS}{{"X": x.y}}\n    algebraic_variables = {{"y": GUESS}}\n'


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class Other:\n    pass\n", "no class `Candidate`"),
        ("class Candidate(HybridModel):\n    k = 1.0\n", "no method `rhs`"),
        (RHS + '{"X": self.missing}\n', "`self.missing`, which it does not declare"),
        (RHS + '{"X": helper(self, x)}\n', "hands on `self` as a whole"),
        (RHS + "{\n", "line 4 is not Python|line 3 is not Python"),
        ("def simulate(x):\n    return x\n" + RHS + '{"X": simulate(x.X)}\n', "defines `simulate`"),
        (WIDE, "something else than plain values"),
        (FIELD, "uses `laplacian`, so its states are fields on a grid"),
        (GUESSES, "algebraic_variables are something else than names and numbers"),
    ],
)
def test_a_candidate_without_a_plain_form_is_refused(source: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        translate(HEADER + source, {"simulate"})


def test_damaged_weights_are_an_error_of_the_run(exported: dict[str, Exported]) -> None:
    source = HEADER + SOURCES["added"]
    with pytest.raises(RunError, match="cannot be read"):
        python_file(small_problem(), record(source, {}), source, b"no weights")


def test_values_are_written_as_python_that_reads_back() -> None:
    value = {
        "a": [0.1, 2, None],
        "b\n": {"tex": r"\frac{1}{2}", "quote": '"'},
        "c": list(range(80)),
        "d": (),
        "e": (1,),
    }
    assert eval(literal(value)) == value
    assert eval(literal({"x": float("nan")})) == {"x": None}
    assert max(map(len, literal(value).splitlines())) <= 110


def test_quotes_are_unified_without_touching_the_text() -> None:
    assert double_quoted("a = 'it'\nb = \"it's\"\n") == 'a = "it"\nb = "it\'s"\n'


def test_the_file_is_written_where_it_was_asked_for(exported: dict[str, Exported], tmp_path: Path) -> None:
    assert compile(exported["bounded"].text, "bounded.py", "exec")
    assert max(map(len, exported["added"].text.splitlines())) < 160
