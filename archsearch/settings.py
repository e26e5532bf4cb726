"""Every default of the software, as frozen values."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Settings(BaseModel):
    """Common to all settings: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(Settings):
    """When a search stops: whichever comes first."""

    trials: int = Field(default=40, ge=1)
    minutes: float | None = Field(default=None, gt=0)


class Limits(Settings):
    """What one candidate may use of the machine."""

    wall_seconds: float = Field(default=180.0, gt=0)
    memory_mb: int = Field(default=4096, ge=512)
    threads: int = Field(default=32, ge=1)
    result_mb: int = Field(default=64, ge=1)
    """The most that one job may return. Predictions that are scored and drawn are returned whatever their size, which
    follows from the data; those with terms closed one by one only as far as they fit beside them."""
    log_kb: int = Field(default=64, ge=1)
    """What is kept of its output; see `sandbox.watch` for how much it may print at all."""

    @property
    def cpu_seconds(self) -> int:
        """Processor time: one thread cannot use more than the wall clock shows, and a candidate has one."""
        return math.ceil(self.wall_seconds) + 1

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_names(cls, data: Any) -> Any:
        """Runs that were made while results were files name the same limit `file_mb`."""
        if isinstance(data, dict) and "file_mb" in data:
            return {"result_mb" if name == "file_mb" else name: value for name, value in data.items()}
        return data


class FitSettings(Settings):
    """How one candidate is trained."""

    method: Literal["gauss_newton", "shooting"] = "gauss_newton"
    segment_steps: int = Field(default=3, ge=0)
    collocation_steps: int = Field(default=75, ge=1)
    least_squares_steps: int = Field(default=30, ge=1)
    matching_steps: int = Field(default=300, ge=0)
    rollout_steps: int = Field(default=120, ge=1)
    substeps: int = Field(default=2, ge=1)
    patience: int = Field(default=20, ge=1)
    inner_validation: float = Field(default=0.2, ge=0, lt=1)
    weight_decay: float = Field(default=1.0, ge=0)
    parameter_prior: float = Field(default=1.0, ge=0)
    restarts: int = Field(default=1, ge=1, le=256)
    """How many starts of the same candidate are fitted, as one batch; the one of the most evidence is polished."""
    scheme: Literal["auto", "explicit", "implicit"] = "auto"
    """How intervals are integrated in training: by Runge-Kutta steps, or by Radau steps where a model needs them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False, max_digits=18)]


class Price(Settings):
    """What a million tokens cost, in the currency that the limits are in as well."""

    input: Money
    output: Money
    cached: Money | None = None
    """Of input that the server had cached; None: the same as other input."""


class LlmSettings(Settings):
    """Which LLM is asked, how, and how much that may cost. A key is no setting: it comes from the environment alone."""

    model: str | None = Field(default=None, min_length=1)
    """None: the one that ARCHSEARCH_LLM_MODEL names, or no LLM."""
    base_url: str | None = None
    """Of an OpenAI-compatible endpoint, up to `/v1`; None: the one of OPENAI_BASE_URL, or the hosted service."""
    prices: dict[str, Price] = {}
    """Model to price; a model without one costs what nobody knows, and is said to."""
    currency: str = Field(default="USD", min_length=1, max_length=8)
    max_calls: int = Field(default=200, ge=1)
    max_tokens: int = Field(default=2_000_000, ge=1)
    max_cost: Money | None = None
    max_output_tokens: int = Field(default=8192, ge=16)
    """Of one reply; unseen reasoning counts. A reply that is cut off is asked for once more with twice as many."""
    timeout_seconds: float = Field(default=300.0, gt=0)
    """From asking to the last byte of the reply, with every retry and every wait in between."""
    retries: int = Field(default=2, ge=0, le=10)
    temperature: float | None = Field(default=None, ge=0, le=2)
    """None: not sent; some models refuse it."""
    seed: int | None = None
    """None: not sent; servers take it as a wish."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        """An address with a name or a key in it would be written into every record."""
        if value is None:
            return None
        parts = urlsplit(value)
        if not re.fullmatch(r"https?://[!-~]+", value) or not parts.hostname or parts.port == 0:
            raise ValueError("expected an address such as http://localhost:11434/v1")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("expected an address without a user, a password, a query or a fragment")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _limit_can_hold(self) -> Self:
        if self.max_cost is not None and self.model is not None and self.model not in self.prices:
            raise ValueError(f"max_cost needs a price for '{self.model}' in `prices`")
        return self

    @property
    def price(self) -> Price | None:
        """The price of the model, if it is known."""
        return self.prices.get(self.model) if self.model is not None else None


APPROVAL = r"^(grammar|llm|white-box|cheap:[0-9]+(\.[0-9]+)?s)$"
Approval = Annotated[str, Field(pattern=APPROVAL)]


class RunSettings(Settings):
    """Everything that a run depends on besides its problem."""

    proposer: Literal["auto", "grammar", "llm", "both"] = "auto"
    """In the record of a run: what `auto` took."""
    llm: LlmSettings = LlmSettings()
    anonymise: bool = False
    """Whether an LLM is told other names than those of the problem."""
    replay: str | None = None
    """The run folder whose recorded replies stand for the LLM."""
    review: Literal["never", "each", "batch"] = "never"
    """Whether a person decides on proposals: on each as it comes, or on a whole generation at a time."""
    approve: tuple[Approval, ...] = ()
    """What needs no person: proposals of an author, or without nets, or such as are cheap."""
    executor: Literal["local"] = "local"
    workers: int = Field(default=2, ge=1, le=256)
    seed: int = Field(default=0, ge=0)
    generation: int = Field(default=4, ge=1)
    """A proposal may depend on the evaluations that lie at least this many places before it, and on no later one:
    so the search is the same whatever the number of workers and whoever finishes first."""
    budget: Budget = Budget()
    fit: FitSettings = FitSettings()
    limits: Limits = Limits()
