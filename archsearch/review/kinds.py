"""Kinds of proposals, coarse enough that a person can say: all like this."""

from __future__ import annotations

from archsearch.candidate.candidate import Candidate
from archsearch.candidate.net_declarations import declared_nets
from archsearch.hybrid import CandidateError


def kind_of(candidate: Candidate) -> str:
    """Who proposes and where nets stand, whatever their inputs and sizes: `grammar, net in growth_rate`."""
    try:
        nets = sorted(declared_nets(candidate.source))
    except CandidateError:
        return f"{candidate.author}, unreadable"
    where = f"net in {' and '.join(nets)}" if nets else "no net"
    return f"{candidate.author}, {where}"
