"""What a candidate is made of, as a weighted set: how far two candidates are apart is what they do not share."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from archsearch.candidate.used import used_in
from archsearch.hybrid import Net
from archsearch.review.reading import parameters_of, regularizers_of, terms_of

TERM, NET, ROLE, SMALL = 1.0, 1.0, 0.5, 0.25
"""How much it matters which terms there are, where nets stand, how they join, and what they see or their size."""


@lru_cache(maxsize=4096)
def features_of(source: str) -> Mapping[str, float]:
    """The features of a source with their weights.

    Terms by name, and by the names that their formulas use; nets by where they stand, role, inputs and size;
    parameters; regularizers. Read from the syntax tree alone, so that any candidate has them, whoever wrote it.
    """
    used = used_in(source)
    found = {f"term {name}": TERM for name in used.terms}
    found |= {f"formula {name} {_names(value)}": SMALL for name, value in terms_of(source).items()}
    found |= {f"parameter {name}": SMALL for name in parameters_of(source)}
    found |= {f"regularizer {name} {weight:.1e}": SMALL for name, weight in regularizers_of(source).items()}
    for name, net in used.nets.items():
        found |= _of_net(", ".join(sorted(used.places.get(name, ()))) or name, net)
    return found


def _of_net(place: str, net: Net) -> dict[str, float]:
    seen = {f"net at {place} sees {name}": SMALL for name in net.inputs}
    size = "x".join(map(str, net.hidden))
    return {f"net at {place}": NET, f"net at {place} {net.role}": ROLE, f"net at {place} of {size}": SMALL} | seen


def _names(value: ast.expr) -> str:
    """The names in a formula, in alphabetical order: the same for any order of factors."""
    return " ".join(sorted({part.attr for part in ast.walk(value) if isinstance(part, ast.Attribute)}))
