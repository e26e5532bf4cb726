"""What a person likes, inferred from which of two candidates they prefer, as one effect per choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from archsearch.candidate.genes import Value
from archsearch.candidate.used import used_in
from archsearch.problem.space import SearchSpace
from archsearch.proposers.moves import Genes, GeneSpace, Tried

WEIGHT = 2.0
"""What taste counts for beside error, whose unit is the standard deviation of its logarithm among those tried. One
preference moves two candidates apart by 0.26 if one choice tells them apart, and by 0.88 if five do. Weighed by 2, a
person who takes the trouble to speak goes before an ordinary difference in score, and not before a model that is
several times better than the others."""
PRIOR = 0.3
"""Variance of the effect of a choice before anything is said: that of the additive model of the error."""
SIZES = 0.03
"""The same for sizes of nets and weights of regularizers: what a person prefers is what a model says, not its size."""
STEPS = 50

Floats = npt.NDArray[np.float64]
Columns = Mapping[tuple[str, Value], int]


@dataclass(frozen=True)
class Taste:
    """Effects of the choices on how much a person dislikes a candidate; smaller is better, as with errors.

    A candidate is preferred to another with probability 1 / (1 + exp(-(d' - d))), where d is the sum of the effects of
    its choices. The effects have a Gaussian prior; their posterior is approximated by a Gaussian around its mode
    (Laplace). It has no variance in directions that nobody spoke about, so a search is not made more curious by them.

    Preferences never change what was measured: neither scores nor ranking, only what is proposed next, and from which
    parents.

    Reference:
        Bradley, Terry: Rank analysis of incomplete block designs (Biometrika 1952), for the likelihood. Chu,
        Ghahramani: Preference learning with Gaussian processes (ICML 2005), for the Laplace approximation; theirs is a
        process over continuous points with a probit likelihood, the one here is linear in the choices, which a few
        sentences of a person can determine, and is joined with measured errors. The preferential optimisation of
        Optuna's dashboard draws a Matern process from preferences alone, over a fixed space of numbers.

    Attributes:
        columns: the choices, by gene and value.
        mean: (C,), the mode of the effects.
        spread: (C, r), a root of their covariance.
    """

    columns: Columns
    mean: Floats
    spread: Floats

    def of(self, genes: Genes) -> float:
        """How much a candidate of these genes is disliked."""
        return float(_indicators(genes, self.columns) @ self.mean)

    def drawn(self, generator: np.random.Generator, curiosity: float) -> Floats:
        """(C,), effects from the posterior; `curiosity` as for the model of the error."""
        drawn: Floats = self.mean + curiosity * self.spread @ generator.standard_normal(self.spread.shape[1])
        return drawn


def taste_of(pairs: Sequence[tuple[Genes, Genes]], space: GeneSpace) -> Taste | None:
    """What preferences say of the choices; None if they say nothing of them.

    Args:
        pairs: the genes, as far as they are known, of candidates that are preferred, and of those that they are
            preferred to.
        space: without bans and pins.
    """
    columns = columns_of(space)
    rows = [_indicators(worse, columns) - _indicators(better, columns) for better, worse in pairs]
    scale = np.array([math.sqrt(SIZES if name.endswith(("hidden", "norm_weight")) else PRIOR) for name, _ in columns])
    differences = np.array(rows).reshape(-1, len(columns)) * scale
    directions = _row_space(differences)
    if directions.shape[1] == 0:  # no preference, or none between candidates that differ in any choice
        return None
    mode, root = _laplace(differences @ directions)
    effects = scale[:, None] * directions
    return Taste(columns, effects @ mode, effects @ root)


def liked(tried: Sequence[Tried], taste: Taste | None) -> list[Tried]:
    """Those that were tried, best first, by error and taste together; failures stay last.

    Args:
        tried: best first, by error.
        taste: of a person; without one the order stays.
    """
    if taste is None or not any(item.fits for item in tried):
        return list(tried)
    errors = standardised(tried)
    joint = [
        replace(item, standing=(math.exp(error + WEIGHT * taste.of(item.genes)), *item.standing[1:]))
        if item.fits
        else item
        for item, error in zip(tried, errors, strict=True)
    ]
    return sorted(joint, key=lambda item: item.standing)


def standardised(tried: Sequence[Tried]) -> Floats:
    """(N,), the logarithms of the errors with mean 0 and standard deviation 1; failures are as the worst that fits."""
    fitting = [math.log(max(item.standing[0], 1e-12)) for item in tried if item.fits]
    errors = np.array([math.log(max(item.standing[0], 1e-12)) if item.fits else max(fitting) for item in tried])
    spread = float(errors.std())
    found: Floats = (errors - errors.mean()) / (spread if spread > 0 else 1.0)
    return found


def columns_of(space: GeneSpace) -> Columns:
    """All choices of a space."""
    pairs = [(name, value) for name, values in space.values.items() for value in values]
    return {pair: column for column, pair in enumerate(pairs)}


def genes_read(source: str, space: SearchSpace, values: Mapping[str, tuple[Value, ...]]) -> Genes:
    """The genes that a source without genome would have, as far as its terms and nets tell.

    Args:
        source: of a candidate that an LLM or a person wrote.
        space: what it is for.
        values: what each gene may be; what is none of these is left out.
    """
    used = used_in(source)
    found: Genes = {}
    for term in space.terms:
        status = "given" if term.name in used.terms else "dropped" if term.name in used.dropped else None
        found[f"term.{term.name}"] = status or used.replaced.get(term.name, "")
    for item in space.library:
        found[f"add.{item.name}"] = item.name in used.terms
    for slot in space.slots:
        net = used.nets.get(slot.name)
        found[f"slot.{slot.name}"] = "empty" if net is None else net.role
        if net is not None:
            found[f"slot.{slot.name}.inputs"] = "+".join(net.inputs)
            found[f"slot.{slot.name}.hidden"] = "x".join(str(width) for width in net.hidden)
    return {name: value for name, value in found.items() if used.terms and value in values.get(name, ())}


def _indicators(genes: Genes, columns: Columns) -> Floats:
    """(C,), one where a choice was made; choices that the space does not have are left out."""
    row = np.zeros(len(columns))
    row[[columns[pair] for pair in genes.items() if pair in columns]] = 1.0
    return row


def _row_space(matrix: Floats) -> Floats:
    """(C, r), orthonormal directions that the rows span."""
    _, sizes, rows = np.linalg.svd(matrix, full_matrices=False)
    found: Floats = rows[sizes > 1e-9].T
    return found


def _laplace(design: Floats) -> tuple[Floats, Floats]:
    """Mode and root of the covariance of z ~ N(0, 1), seen through logistic outcomes that were all `true`."""
    mode = np.zeros(design.shape[1])
    for _ in range(STEPS):
        surprise = 1.0 / (1.0 + np.exp(design @ mode))
        curvature = design.T * (surprise * (1.0 - surprise)) @ design + np.eye(len(mode))
        mode = mode + np.linalg.solve(curvature, design.T @ surprise - mode)
    return mode, np.linalg.cholesky(np.linalg.inv(curvature))
