"""What is trained now."""

from __future__ import annotations

from archsearch.service.open_runs import OpenRun
from archsearch.service.views import RunningView

RUNNING = "running"


def running_fits(run: OpenRun) -> tuple[RunningView, ...]:
    """The fits that run now, with their curves; none where nobody says."""
    return ()
