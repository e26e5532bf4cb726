"""JSON that means one thing, out of what LLMs write."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from archsearch.llm.question import Form
from archsearch.llm.reading import NotJson, cleaned, read_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab{}`\"' \n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
)


@given(st.dictionaries(st.text("abc"), VALUES, max_size=4))
def test_an_object_is_read_as_it_is_alone_and_in_a_fence(value: dict[str, object]) -> None:
    text = json.dumps(value)
    for said in (text, f" {text}\n", f"```json\n{text}\n```", f"Here:\n```\n{text}\n```\nDone."):
        assert json.loads(read_object(said)) == value


@given(st.text())
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotJson):
        assert isinstance(json.loads(read_object(text)), dict)


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("", True),
        ("no idea", True),
        ("[1, 2]", True),
        ('"word"', True),
        ("<think>only thoughts</think>", True),
        ('{"a": 1} {"a": 2}', False),
        ('Use {"a": 1}.', False),
        ('{"a": 1', False),
        ("{'a': 1}", False),
        ('{"a": 1, "a": 1}', False),
        ('{"b": {"a": 1, "a": 2}}', False),
        ('{"a": -Infinity}', False),
        ('{"a": 1e400}', False),
        ("{" * 100_000, False),
        ("```json\n{}\n```\n```json\n{}\n```", False),
    ],
)
def test_what_means_nothing_or_two_things_is_refused(text: str, absent: bool) -> None:
    with pytest.raises(NotJson) as raised:
        read_object(text)
    assert raised.value.absent is absent


def test_code_in_another_language_is_no_reply() -> None:
    text = '```python\nx = {"a": 2}\n```\n```json\n{"a": 1}\n```'
    assert read_object(text) == '{"a": 1}'


def test_a_draft_among_thoughts_is_no_reply() -> None:
    assert read_object('<think>\n```json\n{"a": 1}\n```\n</think>\n{"a": 2}') == '{"a": 2}'


def test_what_nobody_sees_is_taken_out() -> None:
    assert cleaned("a\x1b[31mb\u202e\u200bc\ud800\x00\r\n\td") == "a[31mbc\n\td"


class Part(BaseModel):
    """A part."""

    name: str
    default: str | None = None


class Whole(BaseModel):
    """A whole."""

    properties: list[Part] = Field(default=[], max_length=3)
    kind: str = "x"


def test_a_form_is_as_strict_as_servers_that_enforce_it_want() -> None:
    schema = Form.of(Whole).schema
    for part in (schema, schema["$defs"]["Part"]):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    assert list(schema["properties"]) == ["properties", "kind"]
    assert list(schema["$defs"]["Part"]["properties"]) == ["name", "default"]
    assert "default" not in schema["properties"]["kind"]
