"""The report: one self-contained page that says what a search found, how sure that is, and what did not work."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from archsearch.bundled import compiled, template
from archsearch.candidate.outcome import Evaluation, FittedParameter
from archsearch.problem.problem import Problem
from archsearch.report.drawing import NARROW, WIDE, svg
from archsearch.report.equations import CHANGES, equations
from archsearch.report.figures import figures_of
from archsearch.report.leaderboard import BASELINES, LEGEND, aligned, baselines_of, four, rows_of
from archsearch.report.references import off_by
from archsearch.report.verdict import judge
from archsearch.report.wording import percent

if TYPE_CHECKING:
    from archsearch.study.store import Study


@dataclass(frozen=True)
class FailureGroup:
    """Candidates that failed in the same way.

    Attributes:
        kind: the kind of failure.
        message: what happened, in one sentence.
        remedy: what to do about it.
        candidates: number and claim of each.
    """

    kind: str
    message: str
    remedy: str
    candidates: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Choice:
    """One choice of the search with its options.

    Attributes:
        name: the gene, e.g. `term.predation`.
        options: for each its text, how many candidates had it, and the least error of them (None: all failed).
    """

    name: str
    options: tuple[tuple[str, int, float | None], ...]


def write_report(study: Study, problem: Problem, target: Path) -> None:
    """Write the report of a run as one HTML file that needs neither network nor scripts."""
    target.write_text(report_html(study, problem), encoding="utf-8")


def report_html(study: Study, problem: Problem) -> str:
    """The text of the report."""
    filters = {"four": four, "percent": percent, "aligned": aligned, "two": lambda value: f"{value:.2g}"}
    evaluations = study.evaluations()
    best = study.best()
    return compiled("report/report.html.j2", filters, autoescape=True).render(
        style=Markup(template("report/style.css.j2")),
        run=study.id,
        problem=problem,
        verdict=judge(study, problem),
        rows=rows_of(study),
        legend=LEGEND,
        hidden=max(0, len(evaluations) - len(rows_of(study))),
        figures=_figures(study),
        failures=failure_groups(evaluations),
        choices=choices(evaluations),
        commands=_commands(study, best),
        settings=study.settings,
        changes=CHANGES,
        evaluations=evaluations,
        best=_best(study, problem, best) if best is not None else None,
    )


def failure_groups(evaluations: Sequence[Evaluation]) -> tuple[FailureGroup, ...]:
    """The failures by kind and sentence, the most frequent first."""
    groups: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for item in evaluations:
        if item.failure is not None:
            key = (item.failure.kind, item.failure.message, item.failure.remedy)
            groups[key].append((item.number, item.claim))
    found = [FailureGroup(*key, tuple(candidates)) for key, candidates in groups.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.candidates), group.kind)))


def choices(evaluations: Sequence[Evaluation]) -> tuple[Choice, ...]:
    """What each choice of the search was worth: the least error with each of its options, where there were several."""
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for item in evaluations:
        for name, option in (item.genome or {}).items():
            errors[name][_option(option)].append(item.error)
    found = []
    for name, options in errors.items():
        if len(options) > 1:
            rows = [(text, len(values), min(values)) for text, values in options.items()]
            rows.sort(key=lambda row: row[2])
            options_shown = tuple((text, count, None if best == float("inf") else best) for text, count, best in rows)
            found.append(Choice(name, options_shown))
    return tuple(found)


def _option(value: str | float | int | bool) -> str:
    """An option as a person says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _figures(study: Study) -> dict[str, Markup]:
    """Each figure as two drawings, of which the page shows the one that fits its width."""
    wide, narrow = figures_of(study, WIDE), figures_of(study, NARROW)
    return {
        name: Markup(
            f'<div class="wide">{svg(wide[name], f"{name}-wide")}</div>'
            f'<div class="narrow">{svg(narrow[name], f"{name}-narrow")}</div>'
        )
        for name in wide
    }


def _best(study: Study, problem: Problem, best: Evaluation) -> dict[str, Any]:
    """Everything that the page says about the best model."""
    source = study.source(best.number)
    baseline = next((BASELINES[key] for key, item in baselines_of(study).items() if item.number == best.number), "")
    described = {parameter.name: parameter for parameter in problem.space.parameters}
    return {
        "evaluation": best,
        "name": ": ".join(text for text in (baseline, best.claim) if text) or best.candidate,
        "equations": equations(source, problem.space),
        "parameters": [_parameter(name, item, described.get(name)) for name, item in best.parameters.items()],
        "compared": any(item.reference is not None for item in best.parameters.values()),
        "source": source,
        "test": study.test_scores().get(best.candidate),
    }


def _parameter(name: str, fitted: FittedParameter, declared: Any) -> dict[str, Any]:
    """A row of the parameter table; `place` is where the value lies between its bounds, in per cent."""
    place = None
    if fitted.low is not None and fitted.high is not None and fitted.high > fitted.low:
        place = round(100 * min(max((fitted.value - fitted.low) / (fitted.high - fitted.low), 0.0), 1.0), 1)
    return {
        "name": name,
        "fitted": fitted,
        "place": place,
        "at_bound": place is not None and not 0.5 < place < 99.5,
        "start": declared.value if declared is not None else None,
        "off_by": off_by(fitted),
        "description": declared.description if declared is not None else "",
    }


def _commands(study: Study, best: Evaluation | None) -> tuple[tuple[str, str], ...]:
    """What to type to get all of this again, and what to do with it."""
    settings = study.settings
    run = ["archsearch", "run", study.space_request, "--trials", str(settings.budget.trials)]
    if settings.budget.minutes is not None:
        run += ["--minutes", f"{settings.budget.minutes:g}"]
    run += ["--seed", str(settings.seed), "--workers", str(settings.workers)]
    commands = [("Search again", shlex.join(run))]
    if best is not None:
        commands.append(("Export the best model", shlex.join(["archsearch", "export", study.id, str(best.number)])))
        commands.append(("See its source", shlex.join(["archsearch", "show", study.id, str(best.number)])))
        score = ["archsearch", "score", study.id, str(best.number), "--on", "test"]
        if study.problem().test is not None:
            commands.append(("Score it on the sealed test data", shlex.join(score)))
    return tuple(commands)
