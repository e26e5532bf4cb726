"""What pydantic finds wrong with a space file, as one line each, and what is left of the file without it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from archsearch.errors import did_you_mean
from archsearch.problem.space import SearchSpace, Table

Raw = dict[str, Any]
Place = tuple[str | int, ...]

SPECIAL = {
    "initial": '"estimate", "first", a number, or {low = ..., high = ...}',
    "validation": 'a list of trajectory ids such as ["1", "2"], or a fraction such as 0.2',
    "test": 'a list of trajectory ids such as ["1", "2"], or a fraction such as 0.2',
    "equations": 'states with their signs, such as {hare = "+"}',
    "bounded": "two numbers [low, high]",
    "monotone": 'inputs with their directions, such as {S = "+"}',
    "zero_at": "inputs with the values at which the net vanishes, such as {S = 0.0}",
    "boundary": '"periodic", "neumann" (no flux: nothing passes it) or "dirichlet" (0 on it)',
    "name": "a name of plain letters, digits and _ that starts with a letter",
}
"""What is expected where the type alone would not tell a person."""

KINDS = {
    "string_type": "a text in quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list in brackets",
    "dict_type": "a table in braces",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "finite_number": "a finite number",
}
"""What is expected, by pydantic's kind of error."""


def validate(raw: Raw) -> tuple[SearchSpace | None, list[str], set[Place]]:
    """Read a parsed space file.

    Returns:
        The space as far as it can be read (None if not even without what is wrong), a finding per wrong place, and the
        places that were left out to read the rest.
    """
    try:
        return SearchSpace.model_validate_json(_as_json(raw), strict=True), [], set()
    except ValidationError as error:
        wrong = _by_place(error, raw)
    rest = copy.deepcopy(raw)
    # from the last to the first, so that leaving one out of a list does not move those still to be left out
    left_out = {_leave_out(rest, place) for place in sorted(wrong, key=_position, reverse=True)}
    findings = [f"{key(place, raw)}: {sentence}" for place, sentence in wrong.items()]
    try:
        return SearchSpace.model_validate_json(_as_json(rest), strict=True), findings, left_out
    except ValidationError:
        return None, findings, left_out


def key(place: Place, raw: Raw) -> str:
    """A place as a person finds it in the file: `terms.growth.unit`, or `terms #2.unit` where there is no name."""
    written, value = "", raw
    for part in place:
        value = _step(value, part)
        if isinstance(part, int):
            name = value.get("name") if isinstance(value, dict) else None
            written += f".{name}" if isinstance(name, str) and name else f" #{part + 1}"
        else:
            written += f".{part}" if written else part
    return written or "the file"


def show(value: Any) -> str:
    """A value as it stands in the file, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else "a table" if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_of(choices: Iterable[str]) -> str:
    """A list of choices for the end of `expected`."""
    return "one of " + ", ".join(choices)


def _as_json(raw: Raw) -> str:
    """The file as JSON, where numbers in quotes are not numbers; dates become tables, which nothing accepts."""
    return json.dumps(raw, default=lambda value: {"date": str(value)})


def _by_place(error: ValidationError, raw: Raw) -> dict[Place, str]:
    """What is wrong, one sentence per place of the file (pydantic tells of every arm of a union)."""
    found: dict[Place, str] = {}
    for item in error.errors():
        place, model = _in_file(item["loc"])
        found.setdefault(place, _sentence(item["type"], item.get("ctx", {}), place, model, raw))
    return found


def _in_file(location: Sequence[str | int]) -> tuple[Place, type[Table]]:
    """The part of pydantic's location that is in the file, and the model of the table that it is in."""
    model: type[Table] = SearchSpace
    place: list[str | int] = []
    annotation: Any = SearchSpace
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, Table):
            model = annotation
            place.append(part)
            field = model.model_fields.get(str(part))
            annotation = field.annotation if field else None
        elif get_origin(annotation) in (tuple, dict):
            place.append(part)
            annotation = get_args(annotation)[-2 if get_origin(annotation) is tuple else -1]
        else:  # a tag of a union: what was tried, not what stands in the file
            break
    return tuple(place), model


def _sentence(kind: str, context: dict[str, Any], place: Place, model: type[Table], raw: Raw) -> str:
    """What was expected, and what was found, at one place."""
    name, found = place[-1], _at(raw, place)
    if kind == "missing" and len(place) == 1:
        return f"expected [[{name}]] with at least one name, found none{_near(str(name), raw, model)}"
    if kind == "missing":
        return f"expected this key, found none{_near(str(name), _at(raw, place[:-1]), model)}"
    if kind == "extra_forbidden":
        allowed = list(model.model_fields)
        return f"expected {one_of(allowed)}, found the unknown key '{name}'{did_you_mean(str(name), allowed)}"
    if kind == "literal_error" and name not in SPECIAL:
        choices = context["expected"]
        return f"expected {choices}, found {show(found)}{_suggest(found, choices)}"
    if kind == "tuple_type" and len(place) == 1 and isinstance(found, dict):
        return f"expected tables under [[{name}]], found one table under [{name}]; write double brackets"
    if kind == "model_type" and len(place) == 1 and isinstance(found, list):
        return f"expected one table under [{name}], found a list of tables; write single brackets"
    return f"expected {_expected(kind, context, str(name))}, found {show(found)}"


def _expected(kind: str, context: dict[str, Any], name: str) -> str:
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        sign, limit = {"greater_than": ("above", "gt"), "greater_than_equal": ("of at least", "ge")}.get(kind, ("", ""))
        return f"a number {sign} {context[limit]:g}"
    return SPECIAL.get(name) or KINDS.get(kind) or "another kind of value"


def _near(missing: str, table: Any, model: type[Table]) -> str:
    """A hint when a missing key seems to be there under another spelling."""
    unknown = [name for name in table if name not in model.model_fields] if isinstance(table, dict) else []
    return f"; is it '{unknown[0]}'?" if len(unknown) == 1 and did_you_mean(unknown[0], [missing]) else ""


def _suggest(found: Any, choices: str) -> str:
    return (
        did_you_mean(found, choices.replace("'", "").replace(" or ", ", ").split(", "))
        if isinstance(found, str)
        else ""
    )


def _step(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _at(raw: Raw, place: Place) -> Any:
    value: Any = raw
    for part in place:
        value = _step(value, part)
    return value


def _position(place: Place) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (0, part) for part in place)


def _leave_out(raw: Raw, place: Place) -> Place:
    """Take the smallest thing out of the file without which the rest can be read; says what was taken."""
    in_list = len(place) > 1 and isinstance(place[1], int)
    deeper = [end for end in range(2, len(place)) if isinstance(place[end], int)]
    kept = 2 if in_list and _is_needed(place) else min([len(place), *deeper])
    table, name = _at(raw, place[: kept - 1]), place[kept - 1]
    if _step(table, name) is not None:
        del table[name]
    return place[:kept]


def _is_needed(place: Place) -> bool:
    """Whether an item of a list is nothing without the key at this place."""
    item = get_args(SearchSpace.model_fields[str(place[0])].annotation)[0]
    field = item.model_fields.get(place[2]) if len(place) > 2 else None
    return len(place) == 2 or (field is not None and field.is_required())
