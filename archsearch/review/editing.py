"""A person's version of a proposal: checked like anybody's, and all that is wrong with it told at once."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from archsearch.candidate.candidate import Candidate, content_id
from archsearch.plain_text import one_line
from archsearch.problem.space import SearchSpace
from archsearch.proposers.memory import Past
from archsearch.proposers.replies import LONGEST_CLAIM, faults


@dataclass(frozen=True)
class Edit:
    """An edited source.

    Attributes:
        candidate: the child of what was edited, with the person as author; None if it cannot be tried.
        findings: all that is wrong with it; empty if it can be.
    """

    candidate: Candidate | None
    findings: tuple[str, ...]


def edited(original: Candidate, source: str, space: SearchSpace, by: str, past: Sequence[Past] = ()) -> Edit:
    """Check an edited source.

    Args:
        original: what was edited.
        source: what became of it.
        space: what both are for.
        by: the person.
        past: what was proposed before, and is not worth trying again.
    """
    if content_id(source) == original.id:
        return Edit(None, ("Nothing was changed.",))
    child = Candidate(
        source=source.strip() + "\n",
        author=by,
        claim=_claim(source) or f"{original.claim} (edited)".strip(),
        parents=(original.id,),
        rationale=f"An edit of: {original.claim}" if original.claim else "",
    )
    known = [item for item in past if item.candidate.id != original.id]
    findings = faults(child, space, known)
    return Edit(None if findings else child, findings)


def _claim(source: str) -> str:
    """The first line of the description on top of the file; empty if there is none."""
    try:
        text = ast.get_docstring(ast.parse(source)) or ""
    except (SyntaxError, ValueError, RecursionError):
        return ""
    return one_line(text.strip().partition("\n")[0], LONGEST_CLAIM)
