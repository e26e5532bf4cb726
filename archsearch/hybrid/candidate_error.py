"""The one error of the model language."""

from __future__ import annotations

from archsearch.errors import ArchsearchError


class CandidateError(ArchsearchError):
    """A candidate breaks a rule of the model language; the message says which, the remedy what to write instead."""
