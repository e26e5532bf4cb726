"""What a reader must know of the walls that candidates ran behind."""

from __future__ import annotations

from collections.abc import Sequence

from archsearch.candidate.outcome import Evaluation

NONE = "none"
"""How records name results of candidates that ran without walls."""
MEANING = "they could have read held-out data, so their scores are only as honest as they are"


def about_walls(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    """A sentence if some candidates ran without walls, nothing otherwise."""
    bare = sum(evaluation.sandbox == NONE for evaluation in evaluations)
    if not bare:
        return ()
    whole = "All" if bare == len(evaluations) else f"{bare} of {len(evaluations)}"
    return (f"{whole} candidates ran without walls (--i-accept-unsandboxed): {MEANING}.",)
