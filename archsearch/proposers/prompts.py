"""The prompts: files that a person can read and replace, filled in without a gap and without a remainder."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from archsearch.bundled import compiled, own_prompt, template
from archsearch.errors import RequestError
from archsearch.plain_text import printable

if TYPE_CHECKING:
    import jinja2

EXAMPLES = {"white_box": "white_box.py", "with_net": "with_net.py"}
"""The worked examples of the model language, by the placeholder that each fills."""
MEND = "Mend it, or delete it to get back the one that ships."
PLACEHOLDERS = {
    "system": frozenset(EXAMPLES),
    "problem": frozenset(
        [
            "title",
            "description",
            "time_unit",
            "states",
            "inputs",
            "parameters",
            "terms",
            "library",
            "slots",
            "constraints",
            "genes",
            "data",
        ]
    ),
    "data": frozenset(["extent", "ranges", "slopes", "physics", "residuals"]),
    "progress": frozenset(
        [
            "evaluated",
            "failed",
            "best",
            "others",
            "failures",
            "refused",
            "waiting",
            "stage",
            "count",
            "tool_calls",
            "wishes",
        ]
    ),
    "candidate": frozenset(
        [
            "number",
            "rank",
            "claim",
            "rationale",
            "error",
            "train_error",
            "size",
            "author",
            "parents",
            "states",
            "trajectories",
            "parameters",
            "terms",
            "nets",
            "residuals",
            "genes",
            "source",
        ]
    ),
    "repair": frozenset(["good", "all", "turned_back"]),
}
"""What each prompt is given, and has to use."""


def prompt(name: str, **values: Any) -> str:
    """A prompt with its placeholders filled in.

    Args:
        name: `system`, `problem`, ...: the file is `templates/prompts/<name>.md.j2`.
        values: what its placeholders stand for; every one has a value, and every value is used.

    Raises:
        RequestError: the file is no template, or its placeholders are others than those that it gets.
    """
    import jinja2

    text = _text(name)
    _refuse_difference(name, placeholders(name, text), frozenset(values))
    try:
        return _compiled(name, text).render(**values).strip() + "\n"
    except jinja2.TemplateError as error:
        raise RequestError(f"{_where(name)}: cannot be filled in: {error}.", MEND) from None


def refuse_unfit() -> None:
    """Refuse prompts of the user that cannot be filled in, before a search begins that would stop at them.

    Raises:
        RequestError: a file is no template, or its placeholders are not those of the prompt that it replaces.
    """
    for name, given in PLACEHOLDERS.items():
        _refuse_difference(name, placeholders(name, _text(name)), given)


def system_prompt() -> str:
    """The static prefix of every question: task, model language with two worked examples, rules, form of the reply."""
    return prompt("system", **{key: example(key).strip() for key in EXAMPLES})


def example(key: str) -> str:
    """The source of a worked example."""
    return template(f"prompts/examples/{EXAMPLES[key]}")


def fenced(source: str) -> str:
    """A source as a block of Markdown that nothing in it can end: its fence is longer than any row of backticks."""
    shown = printable(source)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}python\n{shown}\n{fence}"


FILTERS = {"fenced": fenced}
"""What a prompt may call by name."""


def _path(name: str) -> str:
    return f"prompts/{name}.md.j2"


def _text(name: str) -> str:
    return template(_path(name))


@cache
def _compiled(name: str, text: str) -> jinja2.Template:
    """The template, ready to be filled in; made anew when its text was changed."""
    return compiled(_path(name), FILTERS)


@cache
def placeholders(name: str, text: str) -> frozenset[str]:
    """The placeholders of a template; cached by its text, since a person may change the file."""
    import jinja2
    from jinja2 import meta

    try:
        environment = jinja2.Environment()
        environment.filters |= FILTERS
        return frozenset(meta.find_undeclared_variables(environment.parse(text)))
    except jinja2.TemplateSyntaxError as error:
        found = f"{_where(name)}, line {error.lineno}: expected a Jinja template, found {error.message}"
        raise RequestError(found, MEND) from None


def _refuse_difference(name: str, wanted: frozenset[str], given: frozenset[str]) -> None:
    """Refuse a template that leaves something out, or asks for what there is not."""
    missing, unused = sorted(wanted - given), sorted(given - wanted)
    if not missing and not unused:
        return
    found = [f"asks for {', '.join(missing)}, which it is not given"] if missing else []
    found += [f"leaves out {', '.join(unused)}"] if unused else []
    remedy = f"Its placeholders are: {', '.join(sorted(given))}. Use each of them, and no other."
    raise RequestError(f"{_where(name)}: {'; it '.join(found)}.", remedy)


def _where(name: str) -> str:
    return str(own_prompt(_path(name)) or _path(name))
