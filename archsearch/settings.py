"""Every default of the software, as frozen values."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    """The most that one job may return."""
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


class RunSettings(Settings):
    """Everything that a run depends on besides its problem."""

    proposer: Literal["auto", "grammar"] = "auto"
    review: Literal["never"] = "never"
    executor: Literal["local"] = "local"
    workers: int = Field(default=2, ge=1, le=256)
    seed: int = Field(default=0, ge=0)
    generation: int = Field(default=4, ge=1)
    """A proposal may depend on the evaluations that lie at least this many places before it, and on no later one:
    so the search is the same whatever the number of workers and whoever finishes first."""
    budget: Budget = Budget()
    fit: FitSettings = FitSettings()
    limits: Limits = Limits()
