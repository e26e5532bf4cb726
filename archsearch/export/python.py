"""A fitted model as one Python file that needs only torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from archsearch.bundled import compiled, template
from archsearch.candidate.equation_text import equations_latex
from archsearch.candidate.outcome import Evaluation, Score
from archsearch.errors import RunError
from archsearch.export.fieldsource import field_training
from archsearch.export.literals import literal
from archsearch.export.netsource import net_source
from archsearch.export.translate import Translation, translate
from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import SearchSpace

if TYPE_CHECKING:
    from archsearch.study.store import Study

PARTS = ("python", "simulate", "field", "arguments", "explicit", "implicit", "static", "main")
"""The templates of which files are put together; no file has all of them."""
MOST_SAMPLES = 2000
"""The file carries the times and inputs of training trajectories up to this many samples, and of one at least."""


def export_python(study: Study, problem: Problem, evaluation: Evaluation, target: Path) -> None:
    """Write a model of a run to a file with `simulate()`, its equations, parameters and scores.

    Raises:
        RequestError: the candidate failed, or has no plain form.
        RunError: the stored weights are damaged.
    """
    text = python_file(
        problem,
        evaluation,
        study.source(evaluation.number),
        study.weights(evaluation.number),
        test=study.test_scores().get(evaluation.candidate),
        run=study.id,
    )
    target.write_text(text, encoding="utf-8")


def python_file(
    problem: Problem, evaluation: Evaluation, source: str, weights: bytes, test: Score | None = None, run: str = ""
) -> str:
    """The text of the file.

    Args:
        problem: what the model was fitted to.
        evaluation: its scores and parameters.
        source: the candidate.
        weights: what its fit left, in the safetensors format.
        test: the score on the sealed data, if it was asked for.
        run: the id of the run, for the heading.
    """
    space = problem.space
    arrays = _arrays(weights)
    defined = set[str]().union(*(_names_defined(template(_path(part))) for part in PARTS))
    plain = translate(source, {*defined, *space.state_names, *space.input_names}, grid=space.is_field)
    equations = equations_latex(source, space)
    used = {name: own for name, own in plain.parameters.items() if _is_used(name, own, plain)}
    values = {
        "heading": _heading(problem, evaluation, equations, run),
        "equations": literal(equations),
        "parameters": literal(_parameters(evaluation, plain, arrays)),
        "constants": _constants(space, plain, used),
        "values": used,
        "value_names": literal(tuple(used)),
        "scores": literal(_scores(evaluation, test)),
        "states": literal(space.state_names),
        "inputs": literal(space.input_names),
        "time_unit": literal(space.problem.time_unit),
        "initial": "" if plain.is_static or plain.grid else literal(_initial(space, arrays, problem.train)),
        "training": _training_of(problem, plain, arrays),
        "grid": literal({axis.name: {"unit": axis.unit, "spacing": axis.spacing} for axis in space.axes}),
        "plain": plain,
        "algebraic": literal(plain.algebraic),
        "nets": [net_source(plain.net_functions[name], name, net, arrays) for name, net in plain.nets.items()],
        "units": literal(_units(space)),
        "logarithmic": [state.scale == "log" for state in space.states],
    }
    return "".join(compiled(_path(part)).render(values) for part in _parts(plain, arrays))


def _parts(plain: Translation, arrays: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The templates that a model needs: an implicit method for algebraic equations and for what its fit found stiff."""
    if plain.is_static:
        return "python", "static", "main"
    if plain.grid:
        return "python", "field", "arguments", "explicit", "main"
    stiff = "training.stiff" in arrays and bool(arrays["training.stiff"].any())
    return "python", "simulate", "arguments", "implicit" if plain.algebraic or stiff else "explicit", "main"


def _path(part: str) -> str:
    return f"export/{part}.py.j2"


def _arrays(weights: bytes) -> dict[str, Tensor]:
    """The stored arrays by name."""
    try:
        found: dict[str, Tensor] = load(weights)
    except SafetensorError as error:
        raise RunError(f"The stored weights cannot be read: {error}.", "Run the search again.") from None
    return found


def _names_defined(text: str) -> set[str]:
    """The module-level names of the template, so that no name of the candidate can hide one of its own."""
    found = re.findall(r"^(?:def|class|import) (\w+)|^(\w+) =|^from \w+ import (\w+)", text, flags=re.MULTILINE)
    return {name for names in found for name in names if name}


def _heading(problem: Problem, evaluation: Evaluation, equations: dict[str, str], run: str) -> str:
    """The text of the docstring."""
    place = f" in run {run}" if run else ""
    origin = f"Found by archsearch{place} as number {evaluation.number}, {evaluation.candidate}."
    scores = evaluation.validation
    error = f"Error on held-out data (nrmse): {scores.nrmse:.4g}." if scores is not None else ""
    lines = [
        problem.space.problem.title,
        "",
        *([evaluation.claim] if evaluation.claim else []),
        f"{error} {origin}".strip(),
        "",
        "Equations:",
        *(f"    {equation}" for equation in equations.values()),
    ]
    return "\n".join(lines).replace('"""', "'''").rstrip("\\")


def _parameters(evaluation: Evaluation, plain: Translation, arrays: dict[str, Tensor]) -> dict[str, Any]:
    """Name -> value, unit and bounds, in the order of the source; values at full precision."""
    found = {}
    for name in plain.parameters:
        if name in plain.constants or f"param.{name}" not in arrays:
            continue
        fitted = evaluation.parameters.get(name)
        found[name] = {
            "value": arrays[f"param.{name}"].item(),
            "unit": fitted.unit if fitted else "1",
            "low": fitted.low if fitted else None,
            "high": fitted.high if fitted else None,
            "identified": fitted.identified if fitted else None,
        }
    return found


def _units(space: SearchSpace) -> dict[str, str]:
    """The unit of every state and input."""
    return {state.name: state.unit for state in space.states} | {item.name: item.unit for item in space.inputs}


def _constants(space: SearchSpace, plain: Translation, used: Mapping[str, str]) -> list[dict[str, str]]:
    """A line for every parameter that the equations use: its plain name, where its value comes from, a comment."""
    described = {parameter.name: parameter.description for parameter in space.parameters}
    lines = []
    for name, plain_name in used.items():
        value, unit = plain.constants.get(name, (f'PARAMETERS["{name}"]["value"]', ""))
        remark = [text for text in (unit, described.get(name, ""), "a constant" if unit else "") if text]
        lines.append({"name": plain_name, "value": value, "remark": " ".join(", ".join(remark).split())})
    return lines


def _is_used(name: str, plain_name: str, plain: Translation) -> bool:
    """Whether the code reads a parameter: it does not if a net stands in its place."""
    code = "\n".join((*plain.preamble, *plain.functions))
    return re.search(rf"\b(?:{plain_name}|\.{name})\b", code) is not None


def _scores(evaluation: Evaluation, test: Score | None) -> dict[str, Any]:
    """The scores by the data that they were computed on."""
    scores = {"train": evaluation.train, "validation": evaluation.validation, "test": test}
    return {name: score.model_dump(exclude={"per_trajectory"}) for name, score in scores.items() if score is not None}


def _initial(space: SearchSpace, arrays: dict[str, Tensor], train: Part) -> dict[str, float]:
    """The initial states that `simulate` falls back to: those of the only training trajectory, or the stored mean."""
    names = train.trajectories.ids
    found = arrays.get(f"initial.{names[0]}") if len(names) == 1 else None
    values = arrays.get("initial") if found is None else found
    if values is None:
        raise RunError("The stored weights hold no initial states.", "Run the search again.")
    return dict(zip(space.state_names, values.tolist(), strict=True))


def _training_of(problem: Problem, plain: Translation, arrays: dict[str, Tensor]) -> str:
    """What the file carries of the training data, as source."""
    space, train = problem.space, problem.train
    if plain.grid:
        return field_training(space, train, arrays)
    return literal((_static_training if plain.is_static else _training)(space, train, arrays))


def _training(space: SearchSpace, train: Part, arrays: dict[str, Tensor]) -> dict[str, Any]:
    """Times, inputs and fitted initial states of training trajectories, as many as fit in the file."""
    found: dict[str, Any] = {}
    samples = 0
    data = train.trajectories
    for row, (name, length) in enumerate(zip(data.ids, data.lengths.tolist(), strict=True)):
        initial = arrays.get(f"initial.{name}")
        samples += length
        if initial is None or (found and samples > MOST_SAMPLES):
            continue
        found[name] = {
            "times": data.times[row, :length].tolist(),
            "initial": dict(zip(space.state_names, initial.tolist(), strict=True)),
            "inputs": {key: data.inputs[row, :length, i].tolist() for i, key in enumerate(space.input_names)},
        }
    return found


def _static_training(space: SearchSpace, train: Part, arrays: dict[str, Tensor]) -> dict[str, Any]:
    """The inputs of training samples, as many as fit in the file."""
    samples = train.trajectories.inputs[train.trajectories.valid][:MOST_SAMPLES]
    return {name: samples[:, i].tolist() for i, name in enumerate(space.input_names)}
