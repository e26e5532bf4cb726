"""Which LLM is asked, where, and with which key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import ValidationError

from archsearch.errors import RequestError
from archsearch.settings import LlmSettings

KEY, BASE_URL, MODEL = "OPENAI_API_KEY", "OPENAI_BASE_URL", "ARCHSEARCH_LLM_MODEL"
HOSTED = "https://api.openai.com/v1"
NO_KEY = "none"
"""What servers that want no key are sent, because the protocol has a place for one."""
SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Endpoint:
    """A model at an address. The key is in no text that this value gives of itself.

    Args:
        settings: with model and address filled in.
        key: what the endpoint knows the caller by; empty if there is none.
        withheld: whether nothing of this person is sent, because only the record of a run names this address.
    """

    settings: LlmSettings
    key: str = field(default="", repr=False)
    withheld: bool = False

    @property
    def model(self) -> str:
        """The model that is asked for."""
        assert self.settings.model is not None
        return self.settings.model

    @property
    def base_url(self) -> str:
        """The address, up to `/v1`."""
        return self.settings.base_url or HOSTED

    @property
    def host(self) -> str:
        """The name of the machine that is asked."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_here(self) -> bool:
        """Whether the LLM runs on this machine, so that nothing leaves it."""
        return self.host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", self.host) is not None

    @property
    def reach(self) -> str:
        """How far what is sent goes, in words."""
        if self.is_here:
            return "on this machine"
        return "elsewhere, encrypted" if self.base_url.startswith("https:") else "elsewhere, NOT encrypted"

    def scrubbed(self, text: str) -> str:
        """The text without the key, and without halves of characters, which no file can hold.

        A key as short as `none` is no secret, and would be missing elsewhere.
        """
        text = text.encode("utf-8", "replace").decode()
        return text.replace(self.key, "[key]") if len(self.key) >= SHORTEST_SECRET else text

    def __str__(self) -> str:
        return f"{self.model} at {self.base_url}"


def endpoint_of(
    settings: LlmSettings,
    environment: Mapping[str, str],
    *,
    model: str | None = None,
    base_url: str | None = None,
    recorded: bool = False,
) -> Endpoint | None:
    """The LLM that flags, settings and environment name, in this order.

    Args:
        settings: the settings; the endpoint has them with model and address filled in.
        environment: of this process.
        model: what a flag says.
        base_url: what a flag says.
        recorded: whether the settings come from the record of a run rather than from the person at this machine. Then
            the key goes only where a flag or the environment says, or to the hosted service: a run folder from
            elsewhere must not be able to send it to somebody. To other addresses prompts go without it.

    Returns:
        The endpoint, or None if no model is named.

    Raises:
        RequestError: an address or a key that cannot be one, or a limit in money without a price.
    """
    model = model or settings.model or _value(environment, MODEL)
    if model is None:
        return None
    mine = base_url or _value(environment, BASE_URL)
    filled = _filled(settings, model, base_url or settings.base_url or mine)
    trusted = not recorded or filled.base_url in (None, HOSTED, mine and mine.rstrip("/"))
    return Endpoint(filled, _key(environment) if trusted else "", withheld=not trusted)


def _filled(settings: LlmSettings, model: str, base_url: str | None) -> LlmSettings:
    try:
        return LlmSettings.model_validate({**settings.model_dump(), "model": model, "base_url": base_url})
    except ValidationError as error:
        finding = error.errors(include_url=False, include_input=False)[0]
        what = finding["msg"].removeprefix("Value error, ")
        if finding["loc"] == ("base_url",):
            raise RequestError(f"The base URL of the LLM: {what}.", f"Correct --llm-base-url or {BASE_URL}.") from None
        raise RequestError(f"LLM settings: {what}.") from None


def _key(environment: Mapping[str, str]) -> str:
    """The key; a line break at its end is what copying leaves."""
    key = _value(environment, KEY) or ""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise RequestError(
            f"{KEY}: expected letters, digits and signs, found a space or something that cannot be sent.",
            "Copy the key again.",
        )
    return key


def _value(environment: Mapping[str, str], name: str) -> str | None:
    return environment.get(name, "").strip() or None
