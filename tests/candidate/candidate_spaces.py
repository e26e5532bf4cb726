"""Search spaces for the tests of this room, and ways to draw genomes from them."""

from __future__ import annotations

import random

from archsearch.candidate.genes import Value, active_choices, from_parameters
from archsearch.candidate.genome import Genome
from archsearch.problem.space import SearchSpace


def parameter(name: str, value: float, low: float | None = None, high: float | None = None, **more: object) -> dict:
    return {"name": name, "value": value, "low": low, "high": high, "unit": "1/year"} | more


def rich() -> SearchSpace:
    """Every kind of term, library term and slot at once."""
    return SearchSpace.model_validate(
        {
            "problem": {"title": "Rich", "time_unit": "year"},
            "data": {"file": "data.csv"},
            "split": {},
            "states": [{"name": name} for name in ("hare", "lynx", "snow")],
            "inputs": [{"name": name} for name in ("feed", "cold")],
            "parameters": [
                parameter("birth", 0.5, 0.0, 2.0, description='how many are "born"'),
                parameter("attack", 0.02, 0.0),
                parameter("melting", -0.3, None, -0.1),
                parameter("free", 2.5),
                parameter("yield_factor", 0.4, 0.01, 1.0),
                parameter("capacity", 90.0, 10.0, 500.0),
                parameter("handling", 0.05, 0.001, 1.0),
                parameter("gravity", 9.81, fixed=True),
                parameter("unused", 1.0, 0.5, 2.0),
            ],
            "terms": [
                {"name": "specific", "expression": "birth", "trust": "suspect"},
                {"name": "growth", "expression": "specific * hare", "equations": {"hare": "+"}},
                {
                    "name": "predation",
                    "expression": "attack * hare * lynx",
                    "equations": {"hare": "-", "lynx": "+"},
                    "trust": "suspect",
                },
                {"name": "feeding", "expression": "feed", "equations": {"hare": "+"}, "trust": "suspect"},
                {"name": "share", "expression": "yield_factor * (hare - lynx) / (1 + hare**2)"},
                {
                    "name": "death",
                    "expression": "-(share - free) * lynx",
                    "equations": {"lynx": "-"},
                    "trust": "suspect",
                },
                {
                    "name": "thaw",
                    "expression": "melting * exp(-cold) + sin(2 * pi * t) / sqrt(2 * gravity)",
                    "equations": {"snow": "+"},
                },
            ],
            "library": [
                {"name": "logistic", "expression": "birth * (1 - hare / capacity)", "replaces": "specific"},
                {"name": "scarce", "expression": "birth * tanh(hare) * exp(-hare / capacity)", "replaces": "specific"},
                {
                    "name": "saturating",
                    "expression": "attack * hare * lynx / (1 + handling * hare)",
                    "replaces": "predation",
                },
                {"name": "winter", "expression": "maximum(snow, 0.5) + abs(cold)"},
                {"name": "starving", "expression": "0.1 * winter * hare", "equations": {"hare": "-", "snow": "-"}},
                {"name": "ageing", "expression": "handling * lynx * log(1 + lynx**2)", "equations": {"lynx": "-"}},
            ],
            "slots": [
                {
                    "name": "kinetics",
                    "term": "specific",
                    "roles": ["replace", "scale", "add"],
                    "inputs": ["hare", "snow", "cold"],
                    "structure": {"positive": True, "zero_at": {"hare": 0.0}, "monotone": {"hare": "+", "snow": "-"}},
                },
                {"name": "hunting", "term": "predation", "roles": ["scale", "replace"], "inputs": ["hare", "lynx"]},
                {
                    "name": "uptake",
                    "parameter": "yield_factor",
                    "roles": ["replace", "scale", "add"],
                    "inputs": ["lynx", "feed"],
                    "structure": {"bounded": [0.0, 1.0]},
                },
                {
                    "name": "residual",
                    "equation": "lynx",
                    "roles": ["add", "scale", "replace"],
                    "inputs": ["hare", "lynx", "feed"],
                },
                {"name": "weather", "equation": "snow", "inputs": ["snow", "cold"]},
            ],
        }
    )


def bare() -> SearchSpace:
    """Data and state names alone, with a slot per state."""
    return SearchSpace.model_validate(
        {
            "problem": {"title": "Bare"},
            "data": {"file": "data.csv"},
            "split": {},
            "states": [{"name": "a"}, {"name": "b"}],
            "slots": [{"name": f"d_{name}", "equation": name, "inputs": ["a", "b"]} for name in ("a", "b")],
        }
    )


def drawn_genes(space: SearchSpace, generator: random.Random) -> dict[str, Value]:
    """A random point of the space, walked as a proposer walks it; seldom without physics."""
    genes: dict[str, Value] = {}
    while True:
        waiting = {name: values for name, values in active_choices(genes, space).items() if name not in genes}
        if not waiting:
            return genes
        name, values = next(iter(waiting.items()))
        rare = name in ("physics", "everywhere") and generator.random() < 0.7
        genes[name] = values[0] if rare else generator.choice(values)


def drawn_genomes(space: SearchSpace, count: int, seed: int = 0) -> list[Genome]:
    """Random genomes."""
    generator = random.Random(seed)
    return [from_parameters(drawn_genes(space, generator), space) for _ in range(count)]
