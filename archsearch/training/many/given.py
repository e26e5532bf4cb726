"""What the fits of one batch are given, stacked: data, smooth, scales, priors."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from archsearch.errors import RequestError
from archsearch.hybrid import HybridModel
from archsearch.problem.space import Bounds, State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.many.members import Member, Rowed, masked, regularizers_of, start_of
from archsearch.training.methods.chain import physics_first
from archsearch.training.methods.stages import Journal, unwatched
from archsearch.training.squares.least_squares import UNINFORMED
from archsearch.training.squares.losses import Loss
from archsearch.training.squares.prepare import calibrate, prepare

R = TypeVar("R", bound=Rowed)


@dataclass(frozen=True)
class Given(Rowed):
    """What does not change during the fits of R members.

    Attributes:
        buffers: of the nets, (R, ...) each, by name in the model.
        times: (R, N, T), time unit.
        smooth: (R, N, T, n), inner coordinates, 0 where nothing is known.
        matched: (R, N, T, n), where single intervals are compared with the smooth.
        target: (R, N, T, n), inner coordinates, 0 where not `seen`.
        seen: (R, N, T, n).
        base: (R, N, n), inner coordinates, initial states where nothing of them is fitted.
        scale: (R, n), inner coordinates, one standard deviation of the observations.
        slope: (R, n), the same of derivatives.
        deviation: (R, n), what misfits are measured in.
        weights: (R,) each, of the regularizers that any member has, by name.
        nodes: where regularizers are evaluated: times `t` (R, B), states `z` (R, B, n), inputs `u` (R, B, m); and
            `observed` derivatives (R, B, n) over their spread, NaN where there are none.
        held: (R,), whether the precision of the weights is not to be changed.
    """

    buffers: dict[str, Tensor]
    times: Tensor
    smooth: Tensor
    matched: Tensor
    target: Tensor
    seen: Tensor
    base: Tensor
    scale: Tensor
    slope: Tensor
    deviation: Tensor
    weights: dict[str, Tensor]
    nodes: dict[str, Tensor]
    held: Tensor


@dataclass(frozen=True)
class Standing(Rowed):
    """Where R fits stand.

    Attributes:
        p: (R, P), raw parameters and weights.
        offsets: (R, N, n), of estimated initial states.
        shared: (R, n), of bounded initial states.
        states: (R, N, T, n), inner coordinates, the states at the samples: unknowns of their own, or a rollout.
        defects: (R, N, T - 1, n), where each interval ends minus the next state; 0 for a rollout.
        noise: (R,), variance in variances of the data.
        precision: (R,), of the weights, relative to 1 / fan-in.
        gap: (R,), weight of the squared defects.
        damping: (R,), of the next iteration.
        cost: (R,), sum of squares.
        small: (R,), iterations in a row that gained little.
        settled: (R,), for which noise and precision no longer move.
        done: (R,), which have ended.
    """

    p: Tensor
    offsets: Tensor
    shared: Tensor
    states: Tensor
    defects: Tensor
    noise: Tensor
    precision: Tensor
    gap: Tensor
    damping: Tensor
    cost: Tensor
    small: Tensor
    settled: Tensor
    done: Tensor


@dataclass(frozen=True)
class Common:
    """What all members share.

    Attributes:
        model: the candidate, whose own values do not count.
        coordinates: the inner coordinates.
        inputs: (N, T, m).
        origin: (P,), mean of the prior.
        deviation: (P,), its standard deviation for a precision of 1.
        physical: how many of the P unknowns are raw parameters; the first ones.
        free: (n,), whether initial states are estimated, trajectory by trajectory.
        bounded: (n,), whether one initial state for all is estimated between `low` and `high` (n,), natural units.
        noise_is_free: whether the noise is to be found.
        observations: how many there are, hidden ones included.
    """

    model: HybridModel
    coordinates: Coordinates
    inputs: Tensor
    origin: Tensor
    deviation: Tensor
    physical: int
    free: Tensor
    bounded: Tensor
    low: Tensor
    high: Tensor
    any_free: bool
    any_bounded: bool
    noise_is_free: bool
    observations: int

    def start(self, given: Given, offsets: Tensor, shared: Tensor) -> Tensor:
        """(R, N, n), inner coordinates: initial states for unknowns (R, N, n) and (R, n)."""
        estimated = given.base + torch.where(self.free, offsets, 0.0) * given.scale.unsqueeze(1)
        if not self.any_bounded:
            return estimated
        value = self.low + (self.high - self.low) * torch.sigmoid(shared)
        inner = self.coordinates.inner(torch.where(self.bounded, value, 1.0))
        return torch.where(self.bounded, inner.unsqueeze(1), estimated)

    def by_shared(self, shared: Tensor) -> Tensor:
        """(R, n): derivative of bounded initial states with respect to their unknown; 0 for all others."""
        share = torch.sigmoid(shared)
        value = self.low + (self.high - self.low) * share
        slope = (self.high - self.low) * share * (1.0 - share)
        return torch.where(
            self.bounded, torch.where(self.coordinates.logarithmic, slope / value.clamp(min=1e-300), slope), 0.0
        )


def gather(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    members: Sequence[Member],
    device: torch.device,
) -> tuple[Common, Given, Standing]:
    """Smooth once per mask, on the CPU, and stack what the members are given and where they start."""
    refuse(model)
    samples = samples.to(torch.device("cpu"))
    losses = _losses(model, states, samples, settings, members)
    wanted = [regularizers_of(member, model) for member in members]
    names = sorted(set().union(*wanted))
    pairs = list(zip(members, losses, strict=True))
    given = _stacked([_given(loss, member, one, names) for (member, loss), one in zip(pairs, wanted, strict=True)])
    standing = _stacked([_standing(loss, member, settings) for member, loss in pairs])
    common = _common(model, states, losses[0], samples, device)
    return common, given.to(device), standing.to(device)


def refuse(model: HybridModel) -> None:
    """Batches are for explicit steps and for states that are measured themselves."""
    own = [name for name in ("observe", "initial", "limits") if _writes(model, name)]
    own += ["algebraic"] if model.algebraic_variables else []
    if own or model.is_static:
        what = own[0] if own else "output"
        raise RequestError(f"A candidate with {what!r} cannot be fitted in a batch.", "Fit its members one by one.")


def _writes(model: HybridModel, name: str) -> bool:
    return getattr(type(model), name) is not getattr(HybridModel, name)


def _losses(
    model: HybridModel, states: tuple[State, ...], samples: Samples, settings: FitSettings, members: Sequence[Member]
) -> list[Loss]:
    """One training problem per distinct mask, repeated for every member that has it."""
    made: dict[bytes, Loss] = {}
    found = []
    for member in members:
        hidden = None if member.hidden is None else member.hidden.cpu().bool()
        key = b"" if hidden is None else hidden.numpy().tobytes()
        if key not in made:
            made[key] = _prepared(copy.deepcopy(model).cpu(), states, masked(samples, hidden), settings)
        found.append(made[key])
    return found


def _prepared(model: HybridModel, states: tuple[State, ...], samples: Samples, settings: FitSettings) -> Loss:
    """The training problem of one mask, with calibrated nets; hidden states stand where the physics has them."""
    loss = prepare(model, states, samples, settings)
    physics_first(loss, Journal(unwatched))
    calibrate(loss)
    return loss


def _given(loss: Loss, member: Member, wanted: dict[str, float], names: list[str]) -> Given:
    observed = loss.coordinates.inner(loss.samples.states)
    seen = torch.isfinite(observed)
    smooth = torch.nan_to_num(loss.smoothed.states)
    matched = seen.any(1, keepdim=True) & loss.samples.valid.unsqueeze(-1)
    matched = torch.cat([torch.zeros_like(matched[:, :1]), matched[:, 1:]], 1)
    nets = tuple(f"{name}." for name in loss.model.nets())
    return Given(
        buffers={name: array for name, array in loss.model.named_buffers() if nets and name.startswith(nets)},
        times=loss.samples.times,
        smooth=smooth,
        matched=matched,
        target=torch.nan_to_num(observed),
        seen=seen,
        base=loss.initial.at(torch.zeros_like(smooth[:, 0]), torch.zeros_like(loss.scale)).detach(),
        scale=loss.scale,
        slope=loss.slope,
        deviation=loss.deviation,
        weights={name: torch.tensor(wanted.get(name, 0.0), dtype=smooth.dtype) for name in names},
        nodes=_nodes(loss) if names else {},
        held=torch.tensor(member.precision is not None),
    )


def _nodes(loss: Loss) -> dict[str, Tensor]:
    """As many nodes for every mask: where some are padding, others are repeated."""
    t, z, u = loss.nodes()
    again = torch.arange(loss.samples.valid.numel()) % len(t)
    return {"t": t[again], "z": z[again], "u": u[again], "observed": loss.observed_slopes()[again]}


def _standing(loss: Loss, member: Member, settings: FitSettings) -> Standing:
    assert loss.start is not None
    smooth = torch.nan_to_num(loss.smoothed.states)
    one = torch.ones((), dtype=smooth.dtype)
    precision = settings.weight_decay if member.precision is None else member.precision
    return Standing(
        p=start_of(member, loss.model, loss.start, settings.parameter_prior),
        offsets=loss.initial.offsets.detach(),
        shared=loss.initial.shared.detach(),
        states=smooth,
        defects=torch.zeros_like(smooth[:, 1:]),
        noise=loss.noise.to(smooth.dtype),
        precision=max(precision, UNINFORMED) * one,
        gap=one,
        damping=one,
        cost=one * torch.inf,
        small=torch.tensor(0),
        settled=torch.tensor(False),
        done=torch.tensor(False),
    )


def _stacked(parts: list[R]) -> R:
    first = vars(parts[0])
    values: dict[str, Any] = {}
    for name, value in first.items():
        each = [vars(part)[name] for part in parts]
        if isinstance(value, dict):
            values[name] = {key: torch.stack([one[key] for one in each]) for key in value}
        else:
            values[name] = torch.stack(each)
    return parts[0]._with(values)


def _common(
    model: HybridModel, states: tuple[State, ...], loss: Loss, samples: Samples, device: torch.device
) -> Common:
    origin, precision = loss.prior(1.0)
    bounds = [state.initial if isinstance(state.initial, Bounds) else None for state in states]
    ends = [(bound.low, bound.high) if bound else (0.0, 0.0) for bound in bounds]
    low, high = torch.tensor(ends, dtype=origin.dtype, device=device).unbind(-1)
    free = [state.initial == "estimate" for state in states]
    return Common(
        model=copy.deepcopy(model).to(device),
        coordinates=Coordinates.of(states, device),
        inputs=samples.inputs.to(device),
        origin=origin.to(device),
        deviation=precision.clamp(min=UNINFORMED).rsqrt().to(device),
        physical=len(model.raw),
        free=torch.tensor(free, device=device),
        bounded=torch.tensor([bound is not None for bound in bounds], device=device),
        low=low,
        high=high,
        any_free=any(free),
        any_bounded=any(bound is not None for bound in bounds),
        noise_is_free=loss.noise_is_free,
        observations=int(torch.isfinite(samples.states).sum()),
    )
