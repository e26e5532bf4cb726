"""Equations on a page: MathML that any browser shows at once, with the LaTeX that KaTeX sets in its place."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup, escape

from archsearch.report.equations import mathml

MOST_LATEX = 4000


@lru_cache(maxsize=4096)
def typeset(latex: str) -> Markup:
    """A formula as an element of the page; text that is no LaTeX, or far too long, is shown as it is."""
    if len(latex) > MOST_LATEX:
        return Markup("<code>{}</code>").format(latex)
    try:
        shown = Markup(mathml(latex))
    except Exception:  # noqa: BLE001 - the converter raises whatever comes to it on text that is no LaTeX
        shown = Markup("<code>{}</code>").format(latex)
    return Markup(r'<span class="tex" data-tex="\displaystyle {}">{}</span>').format(escape(latex), shown)
