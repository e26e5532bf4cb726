"""A fitted model as LaTeX: its equations, and its parameters in a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsearch.bundled import compiled
from archsearch.candidate.equation_text import latex_block
from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.errors import RequestError
from archsearch.problem.latex import latex_name
from archsearch.problem.problem import Problem

if TYPE_CHECKING:
    from archsearch.study.store import Study

MARKS: Mapping[str, Any] = {
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "block_start_string": "<%",
    "block_end_string": "%>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}
"""How the template marks what is filled in: LaTeX is full of braces."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def export_latex(study: Study, problem: Problem, evaluation: Evaluation, target: Path) -> None:
    """Write the equations and parameters of a model to a file that compiles by itself.

    Raises:
        RequestError: the candidate failed, so there is nothing to write.
    """
    target.write_text(latex_file(problem, evaluation, study.source(evaluation.number)), encoding="utf-8")


def latex_file(problem: Problem, evaluation: Evaluation, source: str) -> str:
    """The text of the file: a document of class `article` that needs amsmath, amssymb, booktabs and geometry."""
    if evaluation.validation is None:
        raise RequestError(f"Number {evaluation.number} failed, so it has no fitted equations.", "Choose another one.")
    return compiled("export/latex.tex.j2", **MARKS).render(
        title=escaped(problem.space.problem.title),
        claim=escaped(evaluation.claim),
        number=evaluation.number,
        candidate=evaluation.candidate,
        nrmse=f"{evaluation.validation.nrmse:.4g}",
        equations=latex_block(source, problem.space),
        parameters=[_parameter(name, fitted, problem) for name, fitted in _named(evaluation.parameters).items()],
        compared=any(fitted.reference is not None for fitted in evaluation.parameters.values()),
        nets=[
            {"name": escaped(name), "role": escaped(net.role), "inputs": ", ".join(map(escaped, net.inputs))}
            | {"size": r" \times ".join(map(str, net.hidden)), "weights": net.weights}
            for name, net in evaluation.nets.items()
        ],
    )


def _named(parameters: Mapping[str, FittedParameter]) -> dict[str, FittedParameter]:
    """Those whose name is one: names come from a process that nobody trusts."""
    return {name: fitted for name, fitted in parameters.items() if name.isidentifier()}


def escaped(text: str) -> str:
    """Text with the characters that LaTeX reads as commands made plain."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def unit_latex(unit: str) -> str:
    r"""A unit in math mode: `g/L` becomes `\mathrm{g}\,\mathrm{L}^{-1}`; nothing for a plain number."""
    text = unit.replace("**", "^").replace(" ", "")
    text = re.sub(r"/\(([^()/]*)\)", lambda group: "/" + group[1].replace("*", "/"), text)
    if not re.fullmatch(rf"{_FACTOR}([*/]{_FACTOR})*", text):
        return rf"\text{{{escaped(unit)}}}"
    parts = re.findall(rf"([*/]?)({_NAME}|1)(?:\^(-?\d+))?", text)
    named = [(-1 if sign == "/" else 1, name, int(power or 1)) for sign, name, power in parts if name != "1"]
    return r"\,".join(_factor(name, sign * power) for sign, name, power in named)


_NAME = r"[A-Za-z%°µ_]\w*"
_FACTOR = rf"(?:{_NAME}|1)(?:\^-?\d+)?"


def _factor(name: str, exponent: int) -> str:
    """One factor of a unit."""
    return rf"\mathrm{{{escaped(name)}}}" + (f"^{{{exponent}}}" if exponent != 1 else "")


def _parameter(name: str, fitted: FittedParameter, problem: Problem) -> dict[str, str]:
    """The cells of a parameter's row."""
    described = {parameter.name: parameter.description for parameter in problem.space.parameters}
    bounds = [f"{bound:.4g}" if bound is not None else r"\infty" for bound in (fitted.low, fitted.high)]
    low = f"-{bounds[0]}" if fitted.low is None else bounds[0]
    return {
        "symbol": latex_name(name),
        "value": _number(fitted.value),
        "error": _number_text(f"{fitted.std_error:.2g}") if fitted.std_error is not None else r"\text{--}",
        "unit": unit_latex(fitted.unit) or "1",
        "bounds": f"[{_number_text(low)}, {_number_text(bounds[1])}]",
        "identified": {True: r"$\checkmark$", False: "no", None: "--"}[fitted.identified],
        "reference": "--" if fitted.reference is None else f"${_number(fitted.reference)}$",
        "off_by": "--" if fitted.deviation is None else rf"${_number_text(f'{100 * fitted.deviation:.2g}')}$\,\%",
        "description": escaped(described.get(name, "")),
    }


def _number(value: float) -> str:
    """Four significant digits, powers of ten typeset."""
    return _number_text(f"{value:.4g}")


def _number_text(text: str) -> str:
    """`2e-05` as a product with a power of ten."""
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
