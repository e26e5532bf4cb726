"""From the source of a candidate to its class. Runs the source: only inside the sandbox, or on trusted text."""

from __future__ import annotations

import types

from archsearch.hybrid.candidate_error import CandidateError
from archsearch.hybrid.families import refuse_incomplete, written_in
from archsearch.hybrid.model import HybridModel


def load_candidate(source: str) -> type[HybridModel]:
    """Execute a source in a fresh module and return its class `Candidate`.

    Raises:
        CandidateError: the source does not run, or holds no complete `class Candidate(HybridModel)`.
    """
    module = types.ModuleType("candidate")
    try:
        exec(compile(source, "<candidate>", "exec"), module.__dict__)
    except SyntaxError as error:
        raise CandidateError(f"Line {error.lineno}: {error.msg}.", "Mend the syntax.") from error
    except CandidateError:
        raise
    except Exception as error:  # the source may raise anything; it becomes one clear sentence
        raise CandidateError(f"The source raised {type(error).__name__} when loaded: {error}") from error
    return _candidate_class(getattr(module, "Candidate", None))


def _candidate_class(found: object) -> type[HybridModel]:
    remedy = "Write `class Candidate(HybridModel):` with a method `rhs(self, t, x, u)` or `output(self, x, u)`."
    if found is None:
        raise CandidateError("The source defines no class named Candidate.", remedy)
    if not (isinstance(found, type) and issubclass(found, HybridModel)):
        raise CandidateError("Candidate is not a HybridModel.", remedy)
    refuse_incomplete("Candidate", written_in(found, HybridModel), tuple(found.algebraic_variables))
    return found
