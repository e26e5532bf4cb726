"""The three candidates that every run tries first, so that a hybrid has to earn its place."""

from __future__ import annotations

from archsearch.candidate.genome import Genome, NetGene
from archsearch.problem.space import SearchSpace

HIDDEN = (16,)


def physics_as_given(space: SearchSpace) -> Genome | None:
    """Every term as the space has it; None if it has none."""
    return Genome() if space.terms else None


def net_alone(space: SearchSpace) -> Genome:
    """No physics: one net gives every derivative from all states and inputs."""
    return Genome(physics=False, everywhere=_net(space))


def physics_plus_net(space: SearchSpace) -> Genome | None:
    """Every term as the space has it and one net added to every equation; None if there are no terms."""
    return Genome(everywhere=_net(space)) if space.terms else None


def _net(space: SearchSpace) -> NetGene:
    return NetGene(role="add", inputs=(*space.state_names, *space.input_names), hidden=HIDDEN)
