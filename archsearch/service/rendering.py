"""Pages out of templates: every one with the same frame, every text escaped."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from archsearch.bundled import template
from archsearch.report.leaderboard import BASELINES, aligned, four
from archsearch.report.parameters import interval_text
from archsearch.report.wording import percent
from archsearch.service.assets import asset_url
from archsearch.service.charts import sparkline
from archsearch.service.equations import typeset

FOLDER = "pages"


def page(name: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """A page as a response.

    Args:
        name: of the template, without its folder and ending.
        status: of the response.
        values: what the template asks for.
    """
    return HTMLResponse(_environment().get_template(f"{name}.html.j2").render(**values), status)


@lru_cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: template(f"{FOLDER}/{name}")),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "four": four,
        "aligned": aligned,
        "percent": percent,
        "interval": interval_text,
        "two": lambda value: f"{value:.2g}",
        "typeset": typeset,
        "duration": duration,
        "moment": moment,
        "sparkline": sparkline,
    }
    environment.globals |= {"asset": asset_url, "BASELINES": BASELINES}
    return environment


def duration(seconds: float) -> str:
    """A time as a person says it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(text: str) -> str:
    """A UTC time, ISO 8601, as a person reads it; what is none stays as it is."""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text
