"""What a candidate's process says of its parameters, terms and nets: recorded as what it says, if it makes sense.

Values come from the arrays, sizes are counted there, what a term is worth is scored here; names, units, bounds and
standard errors are claims. All text is cut and freed of control characters before a person or an LLM sees it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from typing import Any

from archsearch.candidate.outcome import FittedLimit, FittedNet, FittedParameter, FittedState, FittedTerm
from archsearch.candidate.used import used_in
from archsearch.evaluation.failures import FailedError, result_failure
from archsearch.evaluation.result import Arrays
from archsearch.evaluation.weights import count_net
from archsearch.plain_text import one_line
from archsearch.problem.problem import Problem
from archsearch.problem.trajectories import Floats
from archsearch.training.score import score

MEANINGLESS = 1e6
"""An nrmse from which on a rollout is called not integrable."""
MOST_LETTERS = 120
MOST_TERMS = 64
"""A prediction is made without each of them in turn."""
MOST_WIDTH = 1_000_000
"""Of a layer of a net, which is written in tables and prompts as it is said."""
MOST_NAMES = 512
"""Of parameters, limits, nets, or parts of one, which a person and an LLM are shown."""


def claimed_terms(claims: dict[str, Any], source: str) -> tuple[str, ...]:
    """The names of the terms that it says it has, as far as its source names them.

    Raises:
        FailedError: they are no list of names.
    """
    names = claims.get("terms")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > MOST_TERMS:
        raise FailedError(result_failure(f"what it said of its terms is no list of at most {MOST_TERMS} names"))
    named = used_in(source).terms
    return tuple(name for name in dict.fromkeys(names) if name in named)


def described(
    problem: Problem, source: str, claims: dict[str, Any], arrays: Arrays, without: Arrays
) -> dict[str, dict[str, Any]]:
    """Parameters, hidden states, limits, terms and nets of the record.

    Args:
        problem: what was asked.
        source: the candidate.
        claims: the header of the fit; under `limits` what predictions said of the limits, by part and name, and under
            `terms` only what `claimed_terms` left.
        arrays: the weights.
        without: (N, T, n) training rollouts with one term closed, by its name, of as many terms as were asked for.

    Raises:
        FailedError: it makes no sense.
    """
    try:
        return {
            "parameters": _parameters(problem, claims, arrays),
            "hidden_states": _hidden_states(problem, claims),
            "limits": _limits(claims.get("limits", {})),
            "terms": _terms(problem, source, claims, without),
            "nets": _nets(claims, arrays),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it may have written anything
        message = "what it said of its parameters, states, limits, terms and nets makes no sense"
        raise FailedError(result_failure(message)) from error


def _text(value: Any) -> str:
    """One line, so that it cannot begin another one in a table, a list or a prompt."""
    return one_line(str(value), MOST_LETTERS)


def _few(said: Sized) -> None:
    if len(said) > MOST_NAMES:
        raise ValueError(f"{len(said)} names")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _width(value: Any) -> int:
    if not isinstance(value, int) or not 0 < value <= MOST_WIDTH:
        raise ValueError("no width of a layer")
    return int(value)


def _parameters(problem: Problem, claims: dict[str, Any], arrays: Arrays) -> dict[str, FittedParameter]:
    errors, identified = claims.get("std_error", {}), claims.get("identified", {})
    references = {(item.name, item.unit): item.reference for item in problem.space.parameters}
    _few(claims.get("parameters", {}))
    found = {}
    for name, declared in claims.get("parameters", {}).items():
        value = arrays.get(f"param.{name}")
        if value is None or value.size != 1:
            raise FailedError(result_failure(f"its parameter {_text(name)} has no value"))
        unit = _text(declared.get("unit", "1"))
        found[_text(name)] = FittedParameter(
            value=float(value),
            unit=unit,
            low=_number(declared.get("low")),
            high=_number(declared.get("high")),
            identified=bool(identified.get(name)),
            std_error=_number(errors.get(name)),
            reference=references.get((name, unit)),
        )
    return found


def _hidden_states(problem: Problem, claims: dict[str, Any]) -> dict[str, FittedState]:
    """What was said of states that are in the space."""
    units = {state.name: state.unit for state in problem.space.states}
    return {
        name: FittedState(
            unit=units[name],
            std_error=_number(said.get("std_error")),
            spread=_number(said.get("spread")),
            identified=bool(said.get("identified")),
        )
        for name, said in claims.get("hidden_states", {}).items()
    }


def _limits(said: dict[str, Any]) -> dict[str, FittedLimit]:
    train, validation = said.get("train", {}), said.get("validation", {})
    _few([*train, *validation])
    return {
        _text(name): FittedLimit(
            train=_number(train.get(name, {}).get("least")),
            validation=_number(validation.get(name, {}).get("least")),
            size=_number(train.get(name, {}).get("size")),
        )
        for name in {**train, **validation}
    }


def _terms(problem: Problem, source: str, claims: dict[str, Any], without: Arrays) -> dict[str, FittedTerm]:
    """What became of every term of the space, and what library terms came in.

    A term in whose place a net stands is still named by the source, for the sake of the physics alone.
    """
    own = used_in(source)
    used, dropped, replaced = claims.get("terms", []), claims.get("dropped", []), claims.get("replaced", {})
    worth = {name: _worth(problem, rollouts) for name, rollouts in without.items()}
    found = {}
    for term in problem.space.terms:
        if term.name in replaced:
            by = str(replaced[term.name])
            found[term.name] = FittedTerm(status="replaced", by=_text(by), ablated_nrmse=worth.get(by))
        elif term.name in used and (nets := own.in_place_of(term.name)):
            found[term.name] = FittedTerm(status="replaced", by=_text(nets[-1]))
        elif term.name in dropped or term.name not in used:
            found[term.name] = FittedTerm(status="dropped")
        else:
            found[term.name] = FittedTerm(status="given", ablated_nrmse=worth.get(term.name))
    added = [name for name in used if name not in found and name not in replaced.values()]
    return found | {_text(name): FittedTerm(status="added", ablated_nrmse=worth.get(name)) for name in added}


def _worth(problem: Problem, rollouts: Floats) -> float | None:
    """Training nrmse without a term; None if the model cannot be integrated without it."""
    found = score(problem, problem.train, rollouts).nrmse
    return found if found < MEANINGLESS else None


def _nets(claims: dict[str, Any], arrays: Arrays) -> dict[str, FittedNet]:
    said: Mapping[str, Any] = claims.get("nets", {})
    _few([*said, *(part for net in said.values() for key in ("inputs", "hidden") for part in net.get(key, ()))])
    return {
        _text(name): FittedNet(
            role=_text(net.get("role")),
            inputs=tuple(_text(item) for item in net.get("inputs", ())),
            hidden=tuple(_width(width) for width in net.get("hidden", ())),
            weights=count_net(arrays, name),
            share=_number(claims.get("share")),
        )
        for name, net in said.items()
    }
