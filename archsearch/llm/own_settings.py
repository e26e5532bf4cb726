"""What a person has set for every search: prices, limits, times."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsearch.bundled import user_folder
from archsearch.errors import RequestError, did_you_mean
from archsearch.llm.endpoint import BASE_URL, MODEL
from archsearch.settings import LlmSettings

FILE = "llm.toml"
ELSEWHERE = {"model": f"--llm-model or {MODEL}", "base_url": f"--llm-base-url or {BASE_URL}"}
"""What is named anew for each search, and by what."""


def own_settings(path: Path | None = None) -> LlmSettings:
    """The settings in `llm.toml` of the user's folder; the defaults if there is none.

    Raises:
        RequestError: the file cannot be read, or holds what is no setting; every finding is told.
    """
    path = path or user_folder(FILE)
    if not path.exists():
        return LlmSettings()
    try:
        raw = tomllib.loads(path.read_text("utf-8-sig"), parse_float=str)  # a price is the decimal that was written
        _refuse_what_belongs_elsewhere(raw, path)
        return LlmSettings.model_validate(raw)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{path}: expected TOML, found: {error}.") from None
    except ValidationError as error:
        lines = "\n".join(f"  - {_told(finding)}" for finding in error.errors(include_url=False))
        raise RequestError(f"{path}: {error.error_count()} wrong\n{lines}") from None


def _refuse_what_belongs_elsewhere(raw: dict[str, object], path: Path) -> None:
    for name, place in ELSEWHERE.items():
        if name in raw:
            raise RequestError(f"{path}: expected prices and limits, found `{name}`.", f"Name it by {place}.")


def _told(finding: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        return f"{place}: there is no such setting{did_you_mean(place, LlmSettings.model_fields)}"
    return f"{place}: {finding['msg']}, found {finding['input']!r}"
