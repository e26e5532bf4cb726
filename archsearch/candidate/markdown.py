"""A fitted model as Markdown: its equations, its nets, and its parameters in a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from archsearch.candidate.equation_text import markdown_block
from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.problem.latex import latex_name
from archsearch.problem.space import SearchSpace

IDENTIFIED = {True: "yes", False: "no", None: "not known"}
HEADINGS = ("parameter", "value", "95 % interval", "unit", "bounds", "identified", "meaning")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|$#~])")


def model_markdown(evaluation: Evaluation, source: str, space: SearchSpace) -> str:
    """Equations, nets and parameters as GitHub, GitLab and notebooks read them."""
    nets = [_net(name, evaluation) for name in evaluation.nets]
    parts = [markdown_block(source, space), "\n".join(nets), "\n".join(_parameters(evaluation, space))]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Text in one line, with the characters that Markdown or HTML would read as marks made plain."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _net(name: str, evaluation: Evaluation) -> str:
    net = evaluation.nets[name]
    size = " x ".join(map(str, net.hidden))
    seen = ", ".join(map(plain, net.inputs))
    return f"- net {plain(name)}: {plain(net.role)}, {size} units, {net.weights} weights, sees {seen}"


def _parameters(evaluation: Evaluation, space: SearchSpace) -> Iterator[str]:
    """The table line by line; nothing without parameters."""
    meanings = {item.name: item.description for item in space.parameters}
    named = {name: fitted for name, fitted in evaluation.parameters.items() if name.isidentifier()}
    if named:
        yield _row(HEADINGS)
        yield _row(["---"] * len(HEADINGS))
    for name, fitted in named.items():
        yield _row(_cells(name, fitted, meanings.get(name, "")))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, fitted: FittedParameter, meaning: str) -> list[str]:
    interval = "not known" if fitted.interval is None else " to ".join(f"{end:.4g}" for end in fitted.interval)
    low, high = ("none" if bound is None else f"{bound:.4g}" for bound in (fitted.low, fitted.high))
    return [
        f"${latex_name(name)}$",
        f"{fitted.value:.4g}",
        interval,
        plain(fitted.unit),
        f"{low} to {high}",
        IDENTIFIED[fitted.identified],
        plain(meaning),
    ]
