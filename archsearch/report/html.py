"""The report: one self-contained page that says what a search found, how sure that is, and what did not work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from archsearch.bundled import compiled, template
from archsearch.problem.problem import Problem
from archsearch.report.drawing import NARROW, WIDE, svg
from archsearch.report.figures import figures_of
from archsearch.report.leaderboard import BASELINES, aligned, four
from archsearch.report.parameters import interval_text
from archsearch.report.sealed import about_test, sealed_scores
from archsearch.report.sections import Reported
from archsearch.report.verdict import about_nets
from archsearch.report.wording import percent, sentence

if TYPE_CHECKING:
    from archsearch.study.store import Study

FILTERS: Mapping[str, Callable[..., str]] = {
    "four": four,
    "percent": percent,
    "aligned": aligned,
    "interval": interval_text,
    "sentence": sentence,
    "two": lambda value: f"{value:.2g}",
}


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        id: of its place, and the name of its template.
        title: above it.
        html: what it shows.
    """

    id: str
    title: str
    html: Markup


def write_report(study: Study, problem: Problem, target: Path, beside: Sequence[Study] = ()) -> None:
    """Write the report of a run as one HTML file that needs neither network nor scripts.

    Args:
        study: the run.
        problem: of the run.
        target: the file.
        beside: other runs of the same problem, whose seeds and proposers are compared with.

    Raises:
        RequestError: a run beside it is about another problem.
    """
    target.write_text(report_html(study, problem, beside), encoding="utf-8")


def report_html(study: Study, problem: Problem, beside: Sequence[Study] = ()) -> str:
    """The text of the report."""
    told = Reported(study, problem, tuple(beside))
    shared = {"run": study.id, "problem": problem, "best": told.found, "verdict": told.verdict}
    shared |= {"figures": _figures(study), "baselines": BASELINES}
    return compiled("report/report.html.j2", autoescape=True).render(
        style=Markup(template("report/style.css.j2")),
        title=problem.space.problem.title,
        question=problem.space.problem.description,
        run=study.id,
        begun=study.record.created[:10],
        summary=_rendered("summary", shared | _summary(told)),
        sections=[Section(name, title, _rendered(name, shared | values)) for name, title, values in _sections(told)],
        count=len(told.evaluations),
        failed=sum(item.validation is None for item in told.evaluations),
        seed=study.settings.seed,
        fingerprint=problem.fingerprint[:12],
    )


def _sections(told: Reported) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, title and values of each section; those about the best model only if there is one."""
    fits = told.best is not None
    return [
        ("asked", "What was asked", told.asked()),
        *([("found", "What was found", {}), ("fits", "How it fits", {})] if fits else []),
        *([("sure", "How sure this is", told.sure())] if fits else []),
        ("tried", "What was tried", told.tried()),
        ("persons", "What persons decided", told.persons()),
        ("again", "How to reproduce this", told.again()),
    ]


def _summary(told: Reported) -> dict[str, Any]:
    """What the first page says beside the verdict and the best model."""
    if told.best is None:
        return {"simpler": "", "sealed": (), "intervals": ""}
    intervals = [item for item in told.verdict.comparisons if item.interval is not None]
    over = {"trajectories": "held-out trajectories", "times": "held-out sampling times, which makes them too narrow"}
    test = sealed_scores(told.study, told.best)
    return {
        "simpler": " ".join(about_nets(told.ranked, told.best)),
        "sealed": about_test(test, told.problem.test is not None),
        "intervals": over[intervals[0].resampled] if intervals else "",
    }


def _rendered(name: str, values: Mapping[str, Any]) -> Markup:
    return Markup(compiled(f"report/{name}.html.j2", FILTERS, autoescape=True).render(**values).strip())


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
