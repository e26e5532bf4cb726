"""From what an LLM wrote to JSON that means one thing: strict where text could mean two, never guessing."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

FENCED = re.compile(r"^[ \t]*(`{3,})[ \t]*(\w*)[ \t]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
THOUGHT = re.compile(r"^\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
"""What models that think aloud write before they reply; its drafts are no reply."""
KEPT = "\n\t"


class NotJson(ValueError):  # noqa: N818 - it is an outcome of reading, told to the LLM
    """A text holds no JSON object, or none that means one thing.

    Attributes:
        absent: whether there is nothing like JSON in it, rather than JSON that is wrong.
    """

    def __init__(self, message: str, absent: bool = False) -> None:
        super().__init__(message)
        self.absent = absent


def read_object(text: str) -> str:
    """The one JSON object in a text, as clean JSON: the whole text, or its one fenced block.

    Line breaks inside strings are taken as they are (JSON wants them escaped, LLMs that write code forget it); control
    and direction characters are removed. Two names alike, numbers that are not finite, and two blocks are refused.

    Raises:
        NotJson: there is none, or it could mean two things.
    """
    text = THOUGHT.sub("", text).strip()
    if not text:
        raise NotJson("The reply was empty.", absent=True)
    blocks = [match[3] for match in FENCED.finditer(text) if match[2].lower() in ("", "json", "json5", "jsonc")]
    if text.startswith("{") or not blocks:
        return _read(text)
    if len(blocks) > 1:
        raise NotJson(f"Expected one JSON object, found {len(blocks)} fenced blocks.")
    return _read(blocks[0].strip())


def findings_of(error: ValidationError) -> list[str]:
    """Every way in which a JSON object is not what was asked for, a line each."""
    lines = []
    for finding in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in finding["loc"]) or "the object"
        found = "" if finding["type"] == "missing" else f", found {_short(finding['input'])}"
        lines.append(f"- {place}: {finding['msg']}{found}")
    return lines


def cleaned(text: str) -> str:
    """The text without characters that nobody sees: control, direction and half characters."""
    return "".join(
        letter for letter in text if letter in KEPT or unicodedata.category(letter) not in ("Cc", "Cs", "Cf")
    )


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every string in it changed, names included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [changed(item, change) for item in value]
    if isinstance(value, dict):
        return {change(name): changed(item, change) for name, item in value.items()}
    return value


def _read(text: str) -> str:
    if not text.startswith("{"):
        raise NotJson(f"Expected one JSON object and nothing else, found {_short(text)}.", absent="{" not in text)
    try:
        found = json.loads(
            text, strict=False, object_pairs_hook=_named_once, parse_constant=_finite, parse_float=_finite
        )
    except RecursionError:
        raise NotJson("The JSON is nested too deeply.") from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson(f"The JSON could not be read: {error}.") from None
    return json.dumps(changed(found, cleaned))


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NotJson(f"The name {_short(name)} stands twice in one object.")
        found[name] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson(f"Expected finite numbers, found {text}.")
    return number


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
