"""The genome: which terms are kept, which slots are filled and with what; a point of a closed space."""

from __future__ import annotations

from dataclasses import dataclass, field

from archsearch.problem.space import Role


@dataclass(frozen=True)
class NetGene:
    """A net in a slot: how it joins, what it sees, how large it is."""

    role: Role
    inputs: tuple[str, ...]
    hidden: tuple[int, ...]


@dataclass(frozen=True)
class Genome:
    """One architecture.

    Attributes:
        terms: what became of each suspect term: `given`, `dropped`, or the name of the library term in its place.
        added: additive library terms that are used.
        slots: the filled slots.
        everywhere: an additive net in all equations at once, as the baselines have it.
        physics: whether the terms of the space are used at all (False: a net alone).
        norm_weight: weight of the norm of the correction in the loss; 0 without nets.
    """

    terms: dict[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    slots: dict[str, NetGene] = field(default_factory=dict)
    everywhere: NetGene | None = None
    physics: bool = True
    norm_weight: float = 0.0
