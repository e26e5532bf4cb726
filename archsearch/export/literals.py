"""Values and code as readable Python source."""

from __future__ import annotations

import io
import json
import math
import textwrap
import tokenize
from typing import Any

WIDTH = 110


def literal(value: Any, indent: str = "", room: int = 30) -> str:
    """A value as Python source, broken into lines only where one is not enough.

    Args:
        value: numbers, texts, None, and dicts, lists and tuples of them. What is not a finite number becomes None.
        indent: blank space that the line begins with, on which it stands.
        room: how much of the first line is taken already.
    """
    flat = _flat(value)
    if len(indent) + len(flat) + room <= WIDTH or not isinstance(value, dict | list | tuple) or not value:
        return flat
    inner = f"{indent}    "
    if isinstance(value, dict):
        lines = [f"{inner}{_flat(key)}: {literal(item, inner, len(_flat(key)) + 3)}," for key, item in value.items()]
        return "\n".join(["{", *lines, f"{indent}}}"])
    opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
    if all(isinstance(item, int | float | str | None) for item in value):
        text = ", ".join(map(_flat, value)) + ","
        body = textwrap.fill(text, WIDTH, initial_indent=inner, subsequent_indent=inner)
        return "\n".join([opening, body, indent + closing])
    return "\n".join([opening, *(f"{inner}{literal(item, inner, 2)}," for item in value), indent + closing])


def _flat(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_flat(item)}, " for item in value).rstrip(" " if len(value) == 1 else ", ") + ")"
    if isinstance(value, str):
        raw = "\\" in value and '"' not in value and "\n" not in value and not value.endswith("\\")
        return f'r"{value}"' if raw else json.dumps(value, ensure_ascii=False)
    return "None" if isinstance(value, float) and not math.isfinite(value) else repr(value)


def double_quoted(code: str) -> str:
    """The same code with `"` around the texts that `ast.unparse` puts between `'`."""
    lines = code.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        plain = token.type == tokenize.STRING and token.string.startswith("'") and not token.string.startswith("'''")
        if plain and '"' not in token.string and "\\" not in token.string:
            row, start = token.start[0] - 1, token.start[1]
            end = token.end[1]
            lines[row] = f'{lines[row][:start]}"{lines[row][start + 1 : end - 1]}"{lines[row][end:]}'
    return "".join(lines)
