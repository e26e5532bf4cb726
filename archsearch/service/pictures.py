"""The report's figures of one candidate, each drawn once and served as an SVG file of its own."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from archsearch.candidate.outcome import Evaluation
from archsearch.service.assets import asset_text
from archsearch.service.problems import MissingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from archsearch.problem.problem import Problem
    from archsearch.report.drawing import Model
    from archsearch.service.open_runs import OpenRun

Name = Literal["fit", "residuals", "nets"]
MOST_KEPT = 200


class Pictures:
    """Draws figures and keeps the last of them; what was evaluated never changes, so a figure is never stale.

    Attributes:
        drawing: held by whoever draws, because matplotlib draws for one thread at a time.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, str, bool, int], str] = OrderedDict()
        self.drawing = threading.Lock()

    def svg(self, run: OpenRun, number: int, name: Name, *, narrow: bool) -> str:
        """The figure as an SVG document that follows the light or dark theme.

        Raises:
            MissingError: there is no such candidate, or it has no such figure.
        """
        with run.lock:
            run.refresh()
            evaluation, baselines = run.reader.evaluations.get(number), run.baselines()
        if evaluation is None or evaluation.validation is None:
            raise MissingError(f"Candidate {number} has no figures.", "Only what was evaluated and fits has some.")
        key = (run.study.id, number, name, narrow, len(baselines))
        with self.drawing:
            if key not in self._kept:
                self._kept[key] = _drawn(_Shown(run, evaluation, baselines), name, narrow)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


@dataclass(frozen=True)
class _Shown:
    """The candidate that a figure shows, with the baselines beside it."""

    run: OpenRun
    evaluation: Evaluation
    baselines: dict[str, Evaluation]

    @property
    def problem(self) -> Problem:
        return self.run.problem

    def models(self) -> list[Model]:
        """The candidate first, then the baselines that fit."""
        from archsearch.report.drawing import Model
        from archsearch.report.leaderboard import BASELINES

        study, number = self.run.study, self.evaluation.number
        models = [Model(f"number {number}", "best", study.predictions(number))]
        for key, item in self.baselines.items():
            if item.validation is not None and item.number != number:
                models.append(Model(BASELINES[key], key, study.predictions(item.number)))
        return models


def _drawn(shown: _Shown, name: Name, narrow: bool) -> str:
    from archsearch.report.drawing import NARROW, WIDE, svg

    makers: dict[str, Callable[[_Shown, float], Figure | None]] = {"fit": _fit, "residuals": _residuals, "nets": _nets}
    figure = makers[name](shown, NARROW if narrow else WIDE)
    if figure is None:
        raise MissingError(f"Candidate {shown.evaluation.number} has no figure {name!r}.", "It has no net.")
    return standalone(svg(figure, name))


def standalone(inline: str) -> str:
    """An SVG element as a document with the colours of the page in it."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><style>{_palette()}'
    head += "text{font-family:system-ui,sans-serif}</style>"
    return re.sub(r"^<svg([^>]*)>", lambda found: head.replace("<svg ", f"<svg {found.group(1)} ", 1), inline, count=1)


@lru_cache
def _palette() -> str:
    return asset_text("palette.css")


def _fit(shown: _Shown, width: float) -> Figure:
    from archsearch.report.field_figure import field_figure
    from archsearch.report.figures import errors_of, fit_figure, shown_trajectories

    models, errors = shown.models(), errors_of(shown.evaluation)
    if shown.problem.space.is_field:
        return field_figure(shown.problem, models[0], shown_trajectories(shown.problem, errors)[0], width)
    return fit_figure(shown.problem, models, errors, width)


def _residuals(shown: _Shown, width: float) -> Figure:
    from archsearch.report.residuals import residual_figure

    return residual_figure(shown.problem, shown.models()[0], width)


def _nets(shown: _Shown, width: float) -> Figure | None:
    from archsearch.report.learned import learned_figure

    study, number = shown.run.study, shown.evaluation.number
    return learned_figure(shown.problem, study.source(number), study.weights(number), study.predictions(number), width)
