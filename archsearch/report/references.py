"""How fitted parameters stand beside the values that a space names to compare with."""

from __future__ import annotations

from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.report.leaderboard import aligned, four

RECOVERED = 0.02
"""A parameter is called recovered if it is off by no more than this fraction of its reference."""


def off_by(parameter: FittedParameter) -> str:
    """The deviation from the reference in per cent; empty without one. The space does not break."""
    deviation = parameter.deviation
    if deviation is None:
        return ""
    percent = 100 * deviation
    if 0 < percent < 0.001:
        return "less than 0.001\u00a0%"
    return f"{percent:.0f}\u00a0%" if percent >= 99.5 else f"{percent:.2g}\u00a0%"


def about_references(best: Evaluation) -> list[str]:
    """Whether the identified parameters agree with their references: one sentence, or none if none has one."""
    known = {name: item for name, item in best.parameters.items() if item.deviation is not None}
    if not known:
        return []
    identified = {name: item for name, item in known.items() if item.identified}
    if not identified:
        return [f"No parameter that has a reference value is identified ({', '.join(known)}), so none was recovered."]
    wrong = {name: item for name, item in identified.items() if (item.deviation or 0.0) > RECOVERED}
    if wrong:
        return [_missed(wrong, len(identified))]
    told = "; ".join(_beside(name, item) for name, item in identified.items())
    if len(identified) == 1:
        return [f"The identified parameter that has a reference value is recovered: {told}."]
    return [f"All {len(identified)} identified parameters that have a reference value are recovered: {told}."]


def _missed(wrong: dict[str, FittedParameter], count: int) -> str:
    """What to say where a parameter is not what it should be."""
    told = "; ".join(_beside(name, item) + _in_errors(item) for name, item in wrong.items())
    share = "The identified parameter that has a reference value is" if count == 1 else f"Of the {count} identified "
    if count > 1:
        verb = "is" if len(wrong) == 1 else "are"
        share += f"parameters that have a reference value {len(wrong)} {verb}"
    return f"{share} not recovered within {RECOVERED * 100:.0f}\u00a0%: {told}."


def _beside(name: str, item: FittedParameter) -> str:
    """`T0 6.000 s, reference 6 s, off by 0.003 %`."""
    unit = "" if item.unit == "1" else f" {item.unit}"
    return f"{name} {aligned(item.value)}{unit}, reference {four(item.reference)}{unit}, off by {off_by(item)}"


def _in_errors(item: FittedParameter) -> str:
    """How many standard errors the reference is away, which tells noise from a wrong model."""
    if not item.std_error or item.reference is None:
        return ""
    return f" or {abs(item.value - item.reference) / item.std_error:.1f} standard errors"
