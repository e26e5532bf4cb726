"""What became of the physical parameters: values, intervals, and whether they may be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.problem.space import Parameter, SearchSpace
from archsearch.report.leaderboard import aligned
from archsearch.report.references import off_by
from archsearch.report.wording import listed, percent

AT_BOUND = 0.005
"""A value within this share of the width between its bounds is called at its bound."""


@dataclass(frozen=True)
class ParameterRow:
    """One row of the table.

    Attributes:
        name: of the parameter.
        fitted: as the record has it.
        description: of the space file.
        start: the value that the space gave; None for a parameter of the candidate's own.
        place: where the value lies between its bounds, in per cent; None without two bounds.
        reach: where its interval begins there and how long it is, in per cent; None if either is not known.
        at_bound: whether the value lies at a bound.
        off_by: its deviation from the reference; empty without one.
        elsewhere: least and largest value among the models that the data cannot tell from the best and that determine
            it; None if there are none.
    """

    name: str
    fitted: FittedParameter
    description: str
    start: float | None
    place: float | None
    reach: tuple[float, float] | None
    at_bound: bool
    off_by: str
    elsewhere: tuple[float, float] | None


def parameter_rows(best: Evaluation, equals: Sequence[Evaluation], space: SearchSpace) -> tuple[ParameterRow, ...]:
    """The parameters of the best model, with the values that they take in models as good as it."""
    declared = {parameter.name: parameter for parameter in space.parameters}
    return tuple(_row(name, fitted, equals, declared) for name, fitted in best.parameters.items())


def interval_text(fitted: FittedParameter) -> str:
    """`0.1968 to 0.2019`, a dash if the standard error is not known."""
    return "-" if fitted.interval is None else " to ".join(map(aligned, fitted.interval))


def about_parameters(rows: Sequence[ParameterRow], best: Evaluation) -> tuple[str, ...]:
    """Whether the parameters may be trusted, in sentences."""
    return tuple(_sentences(rows, best))


def _sentences(rows: Sequence[ParameterRow], best: Evaluation) -> Iterator[str]:
    if not rows:
        yield "It has no physical parameters that could be read."
        return
    known = [row for row in rows if row.fitted.identified is not None]
    vague = [row.name for row in rows if row.fitted.identified is False]
    if not known:
        yield "Whether the data determine its parameters is not known."
    elif not vague:
        which = "all of them" if len(known) > 1 else known[0].name
        yield f"Yes: the data determine {which}, as far as this model is right."
    elif len(vague) == len(known):
        yield f"No: the data determine none of them ({listed(vague)})."
    else:
        yield f"In part: the data do not determine {listed(vague)}, which must not be read as measured."
    bound = [row.name for row in rows if row.at_bound]
    if bound:
        yield f"{listed(bound)} ended at a bound: the bound chose the value, not the data."
    apart = [row for row in rows if _disagrees(row)]
    if apart:
        yield f"Models that the data cannot tell from this one put {_ranges(apart)}, beyond the interval of this fit."
    yield from _nets(best)


def _nets(best: Evaluation) -> Iterator[str]:
    shares = {name: net.share for name, net in best.nets.items() if net.share is not None}
    if shares:
        told = [f"{name} {percent(share)}" for name, share in shares.items()]
        yield f"Share of the nets in the dynamics (root mean square): {listed(told)}."


def _disagrees(row: ParameterRow) -> bool:
    """Whether an equal model has a value outside the interval of the best, though the data determine it there."""
    interval = row.fitted.interval
    if row.elsewhere is None or interval is None or row.fitted.identified is False:
        return False
    return row.elsewhere[0] < interval[0] or row.elsewhere[1] > interval[1]


def _ranges(rows: Sequence[ParameterRow]) -> str:
    return listed(
        [f"{row.name} from {aligned(row.elsewhere[0])} to {aligned(row.elsewhere[1])}" for row in rows if row.elsewhere]
    )


def _row(
    name: str, fitted: FittedParameter, equals: Sequence[Evaluation], declared: Mapping[str, Parameter]
) -> ParameterRow:
    place, reach = _placed(fitted)
    parameter = declared.get(name)
    return ParameterRow(
        name=name,
        fitted=fitted,
        description=parameter.description if parameter is not None else "",
        start=parameter.value if parameter is not None else None,
        place=place,
        reach=reach,
        at_bound=place is not None and not 100 * AT_BOUND < place < 100 * (1 - AT_BOUND),
        off_by=off_by(fitted),
        elsewhere=_elsewhere(name, fitted, equals),
    )


def _placed(fitted: FittedParameter) -> tuple[float | None, tuple[float, float] | None]:
    """Value and interval between the bounds, in per cent of the width."""
    low, high = fitted.low, fitted.high
    if low is None or high is None or high <= low:
        return None, None

    def at(value: float) -> float:
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 1)

    if fitted.interval is None:
        return at(fitted.value), None
    begin, end = map(at, fitted.interval)
    return at(fitted.value), (begin, round(max(end - begin, 0.0), 1))


def _elsewhere(name: str, fitted: FittedParameter, equals: Sequence[Evaluation]) -> tuple[float, float] | None:
    """The range of a parameter over models that are as good and determine it; None if no other does."""
    others = [item.parameters[name] for item in equals if name in item.parameters]
    values = [other.value for other in others if other.unit == fitted.unit and other.identified is not False]
    return (min(values), max(values)) if values else None
