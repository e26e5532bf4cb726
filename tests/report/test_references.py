"""What is said of parameters that have a value to compare with is what the numbers say."""

from __future__ import annotations

import pytest

from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.report.references import about_references, off_by


def parameter(value: float, reference: float | None, identified: bool = True, unit: str = "s") -> FittedParameter:
    return FittedParameter(value=value, unit=unit, low=0.0, high=9.0, identified=identified, reference=reference)


def said(**parameters: FittedParameter) -> str:
    best = Evaluation(number=2, candidate="c", author="grammar", status="ok", parameters=parameters)
    return " ".join(about_references(best)).replace("\u00a0", " ")


def test_without_a_reference_nothing_is_said() -> None:
    assert said(T0=parameter(6.0, None)) == ""


def test_one_that_is_recovered_is_told_with_its_numbers() -> None:
    assert said(T0=parameter(6.0002, 6.0)) == (
        "The identified parameter that has a reference value is recovered: T0 6.000 s, reference 6 s, off by 0.0033 %."
    )


def test_all_have_to_be_close_to_be_called_recovered() -> None:
    assert said(a=parameter(1.01, 1.0), b=parameter(0.199, 0.2, unit="1")).startswith("All 2 identified parameters")
    text = said(a=parameter(1.01, 1.0), b=parameter(0.25, 0.2, unit="1"))
    assert "Of the 2 identified parameters" in text
    assert "1 is not recovered within 2 %: b 0.2500, reference 0.2, off by 25 %." in text
    assert "a 1.010" not in text


def test_one_that_is_off_is_not_called_recovered() -> None:
    assert "is not recovered within 2 %" in said(T0=parameter(6.2, 6.0))


def test_how_far_off_is_told_in_standard_errors_as_well() -> None:
    item = parameter(6.3, 6.0).model_copy(update={"std_error": 0.2})
    assert "T0 6.300 s, reference 6 s, off by 5 % or 1.5 standard errors." in said(T0=item)


def test_a_value_that_is_not_identified_is_never_called_recovered() -> None:
    text = said(T0=parameter(6.0, 6.0, identified=False))
    assert "none was recovered" in text
    assert said(T0=parameter(6.0, 6.0), K=parameter(9.0, 1.0, identified=False)).startswith("The identified parameter")


@pytest.mark.parametrize(
    ("value", "reference", "text"),
    [(6.0, 6.0, "0 %"), (1.0 + 1e-9, 1.0, "less than 0.001 %"), (30.0, 1.0, "2900 %"), (-1.02, -1.0, "2 %")],
)
def test_the_deviation_in_per_cent(value: float, reference: float, text: str) -> None:
    assert off_by(parameter(value, reference)).replace("\u00a0", " ") == text


@pytest.mark.parametrize("reference", [None, 0.0])
def test_no_deviation_without_something_to_divide_by(reference: float | None) -> None:
    assert off_by(parameter(6.0, reference)) == ""
