"""The three baselines of every run, as candidates."""

from __future__ import annotations

from typing import Literal

from archsearch.candidate.baselines import net_alone, physics_as_given, physics_plus_net
from archsearch.candidate.candidate import Candidate
from archsearch.candidate.describe import claim_of
from archsearch.candidate.genes import to_parameters
from archsearch.candidate.genome import Genome
from archsearch.candidate.render import render
from archsearch.problem.space import SearchSpace

AUTHOR = "grammar"

BaselineName = Literal["physics", "net", "physics_plus_net"]


def baseline_candidates(space: SearchSpace) -> dict[BaselineName, Candidate]:
    """Physics as given, a net alone, physics plus an additive net; a space without terms has only the net."""
    genomes: dict[BaselineName, Genome | None] = {
        "physics": physics_as_given(space),
        "net": net_alone(space),
        "physics_plus_net": physics_plus_net(space),
    }
    return {name: candidate_of(genome, space) for name, genome in genomes.items() if genome is not None}


def candidate_of(genome: Genome, space: SearchSpace) -> Candidate:
    """The candidate that a genome stands for."""
    claim = claim_of(genome, space)
    return Candidate(
        source=render(genome, space, claim),
        author=AUTHOR,
        claim=claim,
        genome=to_parameters(genome, space),
    )
