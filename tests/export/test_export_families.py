"""Every kind of model, exported, does without us what it does with us."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exported_candidates import record
from exported_families import ACID, FAMILIES, UPTAKE, ExportedFamily, export_family, problem_of, run_family_alone

from archsearch.export.latex import latex_file

ROLLED = tuple(name for name in FAMILIES if name != "uptake")


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedFamily]:
    folder = tmp_path_factory.mktemp("families")
    return {name: export_family(name, folder) for name in FAMILIES}


@pytest.mark.parametrize("name", ROLLED)
def test_an_exported_rollout_is_our_own_prediction(name: str, families: dict[str, ExportedFamily]) -> None:
    module, found = families[name].module, families[name].found
    for row, case in enumerate(module.TRAINING.values()):
        states = module.simulate(case["times"], case["initial"], case["inputs"])
        ours = dict(zip(module.STATES, found["states"][row].unbind(-1), strict=True))
        for state, values in ours.items():
            torch.testing.assert_close(states[state], values, rtol=1e-8, atol=1e-8 * float(values.abs().max()))


def test_an_exported_static_model_gives_our_own_outputs(families: dict[str, ExportedFamily]) -> None:
    module, found = families["uptake"].module, families["uptake"].found
    torch.testing.assert_close(module.predict(module.TRAINING)["uptake"], found["states"].flatten(), rtol=1e-12, atol=0)
    one = module.predict({"pressure": 2.0, "temperature": [310.0, 290.0]})["uptake"]
    assert one[0].item() == pytest.approx(found["states"][0, 1, 0].item(), rel=1e-12)
    assert one.shape == (2,)
    for wrong, message in (
        ({"pressure": 1.0}, "values of the input 'temperature'"),
        ({"pressure": [1.0, 2.0], "temperature": [1.0, 2.0, 3.0]}, "expected 3 finite values, one per sample"),
        ({"pressure": 1.0, "temperature": 1.0, "age": 1.0}, "no input 'age'"),
    ):
        with pytest.raises(ValueError, match=message):
            module.predict(wrong)


def test_an_exported_file_needs_nothing_of_ours(families: dict[str, ExportedFamily]) -> None:
    printed = run_family_alone([family.path for family in families.values()])
    for family in families.values():
        assert "Error on held-out data" in printed[str(family.path)]
    assert "trajectory b" in printed[str(families["tanks"].path)]
    assert "3.07" in printed[str(families["uptake"].path)]


def test_only_what_needs_it_is_integrated_implicitly(families: dict[str, ExportedFamily]) -> None:
    implicit = {name for name, family in families.items() if "Radau" in family.path.read_text()}
    assert implicit == {"tanks", "acid", "stiff"}
    assert "Dormand" not in families["tanks"].path.read_text()


def test_algebraic_variables_and_limits_are_told_if_asked_for(families: dict[str, ExportedFamily]) -> None:
    module, found = families["acid"].module, families["acid"].found
    case = module.TRAINING["a"]
    told = module.simulate(case["times"], case["initial"], case["inputs"], also=("states", "limits"))
    w = told["states"]
    torch.testing.assert_close(w["H"] * (w["H"] + 1.0), w["acid"], rtol=1e-9, atol=0)
    torch.testing.assert_close(told["acid"], torch.log1p(w["acid"]) + 0.1 * w["H"], rtol=1e-12, atol=0)
    assert set(told["limits"]) == {"weak", "little fed"}
    assert float(told["limits"]["weak"].min()) == pytest.approx(float(found["limit.weak"][0]), rel=1e-6)
    assert told["limits"]["little fed"].tolist() == pytest.approx([0.2, -0.1, 0.1, 0.2, 0.2])
    again = module.margins(case["times"], w, case["inputs"])
    torch.testing.assert_close(again["weak"], told["limits"]["weak"])
    assert set(module.simulate(case["times"], case["initial"], case["inputs"])) == {"acid"}
    with pytest.raises(ValueError, match="no detail 'weights'"):
        module.simulate([0.0, 1.0], None, {"feed": 0.0}, also=("weights",))


def test_joined_tanks_stay_level_in_an_exported_rollout(families: dict[str, ExportedFamily]) -> None:
    module = families["tanks"].module
    case = module.TRAINING["a"]
    told = module.simulate(case["times"], case["initial"], also=("states",))
    np.testing.assert_allclose(told["x0"].numpy(), told["x1"].numpy(), rtol=1e-10)
    assert set(told["states"]) == {*module.STATES, "u1", "u2"}
    assert torch.isfinite(told["states"]["u1"]).all(), "at the start as well, where no equation of that instant says it"


def test_context_says_parameters_and_initial_states(families: dict[str, ExportedFamily]) -> None:
    module = families["catalyst"].module
    young, old = (
        module.simulate([0.0, 1.0], {"P": 0.0}, context={"age": age, "mass": 75.0}, also=("limits",))
        for age in (0.0, 6.0)
    )
    assert young["A"][0].item() == old["A"][0].item() == 1.5
    assert young["P"][1] > old["P"][1] > 0
    given = module.simulate([0.0, 1.0], {"A": 3.0}, {"age": 1.0, "mass": 75.0})
    assert given["A"][0].item() == 3.0, "what is said in the call counts more"


def test_equations_of_every_method_are_told(families: dict[str, ExportedFamily]) -> None:
    equations = families["acid"].module.EQUATIONS
    assert equations["algebraic dissociation"].startswith("0 = H")
    assert equations["limits weak"] == r"0.9 - H \geq 0"
    assert equations["observe acid"].startswith(r"y_{\mathrm{acid}} = ")
    catalyst = families["catalyst"].module.EQUATIONS
    assert r"\sin\left(t\right)" in catalyst["A"], "arguments of helpers are put in by name as well"
    assert catalyst["initial A"] == r"A(0) = \frac{\mathrm{mass}}{\mathrm{molar\_mass}}"
    assert catalyst["coefficients rate"].startswith(r"\mathrm{rate}(c) = ")
    assert families["uptake"].module.EQUATIONS["uptake"].startswith(r"\mathrm{uptake} = ")


@pytest.mark.parametrize("family", [ACID, UPTAKE])
def test_latex_stands_below_each_other(family: object) -> None:
    evaluation = record(family.source, {})  # type: ignore[attr-defined]
    text = latex_file(problem_of(family), evaluation, family.source)  # type: ignore[arg-type,attr-defined]
    lines = text[text.index(r"\begin{align*}") : text.index(r"\end{align*}")].splitlines()[1:]
    assert all(line.count("&") == 1 for line in lines if line.strip())
    assert (r"  0.9 - H &\geq 0 \\" in lines) == (family is ACID)


def test_an_unsolvable_start_is_told(families: dict[str, ExportedFamily]) -> None:
    module = families["tanks"].module
    with pytest.raises(ArithmeticError, match=r"cannot be (integrated beyond|solved at) t ="):
        module.simulate([0.0, 100.0], {"x0": 2.0, "x1": 2.0, "x2": 0.5, "x3": 0.1})


def test_the_lines_of_an_exported_file_fit_on_a_screen(families: dict[str, ExportedFamily]) -> None:
    for family in families.values():
        code = [line for line in family.path.read_text().splitlines() if "\\" not in line]
        assert max(map(len, code)) <= 120
