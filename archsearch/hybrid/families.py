"""What kind of model a class is, by the methods that it writes, and whether these give what belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archsearch.hybrid.candidate_error import CandidateError

OPTIONAL = ("observe", "initial", "coefficients", "algebraic", "limits")
"""What a model in time may write besides `rhs`."""
METHODS = ("rhs", "output", *OPTIONAL)
"""What a candidate may write."""
STATIC = frozenset({"output", "coefficients"})
"""What a static model may write."""


def written_in(cls: type, base: type) -> frozenset[str]:
    """The methods of the model language that a class has of its own."""
    return frozenset(name for name in METHODS if getattr(cls, name) is not getattr(base, name))


def refuse_incomplete(name: str, written: frozenset[str], algebraic: tuple[str, ...]) -> None:
    """Raise unless a class has what one kind of model needs and nothing of the other.

    Args:
        name: of the class.
        written: the methods that it has of its own.
        algebraic: its algebraic variables.
    """
    if not written & {"rhs", "output"}:
        raise CandidateError(
            f"{name} has no method rhs, and no method output either.",
            "Write `def rhs(self, t, x, u)` for a process in time, or `def output(self, x, u)` for a static model.",
        )
    if {"rhs", "output"} <= written:
        raise CandidateError(
            f"{name} has both rhs and output.", "Keep rhs for a process in time, or output for a static model."
        )
    strays = [method for method in METHODS if method in written - STATIC] if "output" in written else []
    if strays:
        raise CandidateError(f"{name} has output, so it is static, but also {strays[0]}.", f"Delete {strays[0]}.")
    if bool(algebraic) != ("algebraic" in written):
        found = "algebraic_variables but no method algebraic" if algebraic else "algebraic but no algebraic_variables"
        raise CandidateError(
            f"{name} has {found}.",
            'Write both: algebraic_variables = {"name": start guess} and `def algebraic(self, t, x, z, u)`.',
        )


def refuse_unknown(where: str, names: Iterable[str], **known: Sequence[str]) -> None:
    """Raise if one of these names is none of those that are known, each kind of them under its plural."""
    unknown = [name for name in names if not any(name in choices for choices in known.values())]
    if unknown:
        listed = "; ".join(f"{kind} are {', '.join(choices) or 'none'}" for kind, choices in known.items())
        raise CandidateError(f"Unknown name {unknown[0]!r} in {where}.", f"{listed[0].upper()}{listed[1:]}.")


def refuse_missing(method: str, what: str, found: object, states: Sequence[str]) -> None:
    """Raise unless a method returned a dict with one value for every state and nothing else."""
    if not isinstance(found, dict):
        raise CandidateError(f"{method} must return a dict from state to {what}, found {type(found).__name__}.")
    missing = [name for name in states if name not in found]
    if missing:
        raise CandidateError(f"{method} returned no {what} for {', '.join(missing)}.", "Return one for every state.")
    refuse_unknown(method, found, states=states)
