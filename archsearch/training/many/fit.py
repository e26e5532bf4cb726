"""Fit one candidate many times in one batch: restarts, weights of regularizers, priors, validation folds."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from archsearch.errors import MachineError, NothingFoundError, RequestError
from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.data.task import Samples
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.many.chain import Chain
from archsearch.training.many.equations import LOG_TWO_PI
from archsearch.training.many.flow import Way
from archsearch.training.many.given import Given, Standing, gather
from archsearch.training.many.members import Member, Rowed
from archsearch.training.methods.chain import MOST_SUBSTEPS
from archsearch.training.methods.fit import GRID_FLOOR, GRID_SHARE
from archsearch.training.methods.stages import Watch, unwatched

CPU_CHUNK = 16
"""Members at once on a CPU. Measured for 16 restarts of a predator-prey model with 1220 weights and 640 observations:
2.03 CPU seconds per fit with 1, 1.38 with 4, 1.26 with 8, 1.23 with 16, where the curve is flat."""
GPU_CHUNK = 256
"""Members at once on a GPU: some 15 GB for 1000 weights and 1000 observations; reckoned, not measured."""


@dataclass(frozen=True)
class Ends(Rowed):
    """Where R fits ended.

    Attributes:
        p: (R, P), raw parameters and weights.
        initial: (R, N, n), initial states, natural units.
        cost: (R,), least sum of squares: misfits, regularizers, and priors times the noise.
        evidence: (R,), log evidence of the seen observations (Laplace), for priors and noise as found.
        noise: (R,), variance of the noise, in variances of the data.
        precision: (R,), of the prior of the weights, relative to 1 / fan-in.
        seen_error: (R,), mean square error of the rollout where the fit saw observations, in variances of all data.
        hidden_error: (R,), the same where observations were hidden from it; NaN where none were.
        substeps: (R,), Runge-Kutta steps per sampling interval at the end.
    """

    p: Tensor
    initial: Tensor
    cost: Tensor
    evidence: Tensor
    noise: Tensor
    precision: Tensor
    seen_error: Tensor
    hidden_error: Tensor
    substeps: Tensor


@dataclass(frozen=True)
class Many:
    """The fits of a batch.

    Attributes:
        members: what distinguishes them.
        ends: where they ended, on the CPU.
        buffers: scales of the nets, (R, ...) each, by name.
        candidate: the candidate as it was given.
    """

    members: tuple[Member, ...]
    ends: Ends
    buffers: dict[str, Tensor]
    candidate: HybridModel

    @property
    def status(self) -> tuple[str, ...]:
        """`ok`, or `diverged` where no finite rollout was found, member by member."""
        return tuple("ok" if math.isfinite(error) else "diverged" for error in self.ends.seen_error.tolist())

    def model(self, index: int) -> HybridModel:
        """The fitted model of one member."""
        model = copy.deepcopy(self.candidate)
        Flat.of(model).store(model, self.ends.p[index])
        with torch.no_grad():
            for name, array in model.named_buffers():
                if name in self.buffers:
                    array.copy_(self.buffers[name][index])
        return model


def fit_many(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    members: Sequence[Member],
    watch: Watch = unwatched,
    way: Way | None = None,
    chunk: int | None = None,
) -> Many:
    """Fit one candidate once per member, all in one batch; the candidate itself is left as it is.

    Each member goes the way of a single fit: smooth, single intervals, states and unknowns together, whole
    trajectories, noise and precision of the weights found on the way. What a single fit can do beyond that (segments
    and shooting after a failure, implicit steps, limits) a batch cannot: a member that needs it is reported as
    diverged, and may be fitted alone.

    A member that fails or is done stands still; its values never enter those of another. On a GPU the batch is the
    unit. Nothing in an iteration waits for the host but the question whether anybody is left, and a rollout is the
    longest sequence of small kernels: it is the first thing to capture in a CUDA graph, a trial step the second.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations, of which members may hide some from themselves.
        settings: steps, weights of priors, steps per interval, device.
        members: what the fits differ in.
        watch: called after every iteration of every stage of every chunk; may stop the fits as they are.
        way: how derivatives and equations are computed; by default what suits the device.
        chunk: members at once; by default what suits the device.

    Returns:
        Values on the CPU, whatever the device.
    """
    if not members:
        raise RequestError("A batch of fits without members.", "Give at least one member.")
    device = _device(settings.device)
    on_gpu = device.type == "cuda"
    way = way or ("all at once" if on_gpu else "member by member")
    chunk = chunk or (GPU_CHUNK if on_gpu else CPU_CHUNK)
    common, given, standing = gather(model, states, samples, settings, (*members, Member()), device)
    everything = torch.arange(len(members) + 1, device=device)
    whole = given.rows(everything[-1:])
    chain = Chain(common, settings, way, watch)
    substeps = chain.stable_substeps(whole, standing.rows(everything[-1:]))
    parts = []
    for index in torch.split(everything[:-1], chunk):
        own = given.rows(index)
        found = chain.run(standing.rows(index), own, substeps)
        parts.append(_checked(chain, found, own, whole, substeps).to(torch.device("cpu")))
    buffers = {name: array[:-1].cpu() for name, array in given.buffers.items()}
    return Many(tuple(members), _joined(parts), buffers, model)


def best_of(many: Many) -> int:
    """The member to go on with: of least error on what was hidden from it, else of the most evidence.

    Errors on different folds are of different observations; `cross_validated` compares fold by fold.
    """
    hidden = many.ends.hidden_error
    score = hidden if bool(torch.isfinite(hidden).any()) else -many.ends.evidence
    usable = torch.isfinite(score) & torch.isfinite(many.ends.seen_error)
    if not bool(usable.any()):
        raise NothingFoundError("No fit of the batch found a finite rollout.", "Fit the candidate alone.")
    return int(torch.where(usable, score, torch.inf).argmin())


def _device(wanted: str) -> torch.device:
    """A GPU only if it is asked for, as for single fits."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MachineError("There is no CUDA device.", "Set device to 'cpu', or run where there is one.")
    return torch.device("cuda" if wanted == "cuda" else "cpu")


def _checked(chain: Chain, at: Standing, given: Given, whole: Given, substeps: int) -> Ends:
    """Compare with twice as many steps; members for which the grid was too coarse are polished on the finer one."""
    finer = 2 * substeps
    ends, grid = _ends(chain, at, given, whole, substeps)
    allowed = (GRID_SHARE * ends.seen_error).clamp(min=GRID_FLOOR)
    coarse = (grid > allowed) & torch.isfinite(grid)
    if finer > MOST_SUBSTEPS or chain.stopped or not bool(coarse.any()):
        return ends
    index = coarse.nonzero().squeeze(-1)
    own = given.rows(index)
    polished = chain.polished(at.rows(index), own, finer)
    return ends.put(index, _checked(chain, polished, own, whole, finer))


@torch.no_grad()
def _ends(chain: Chain, at: Standing, given: Given, whole: Given, substeps: int) -> tuple[Ends, Tensor]:
    """What is reported, on a grid twice as fine; and the error of the training grid (R,), in variances of the data."""
    common = chain.common
    start = common.start(given, at.offsets, at.shared)
    everywhere = replace(given, times=whole.times.expand_as(given.times))
    fine = chain.flow(2 * substeps).rolled(at.p, everywhere, start)
    coarse = chain.flow(substeps).rolled(at.p, everywhere, start)
    hidden = whole.seen & ~given.seen
    found = Ends(
        p=at.p,
        initial=common.coordinates.natural(start),
        cost=at.cost,
        evidence=_evidence(chain, at, given, substeps),
        noise=at.noise,
        precision=at.precision,
        seen_error=_mean_square(fine - whole.target, given.seen, whole),
        hidden_error=_mean_square(fine - whole.target, hidden, whole),
        substeps=torch.full_like(at.small, substeps),
    )
    return found, _mean_square(fine - coarse, given.seen, whole)


def _mean_square(wrong: Tensor, where: Tensor, whole: Given) -> Tensor:
    """(R,), in variances of all data; NaN over nothing, infinite where a rollout is not finite."""
    squares = torch.where(where, (wrong / whole.deviation[:, None, None]).square(), 0.0).sum((1, 2, 3))
    count = where.sum((1, 2, 3))
    return torch.where(count > 0, torch.nan_to_num(squares / count, nan=torch.inf), torch.nan)


def _evidence(chain: Chain, at: Standing, given: Given, substeps: int) -> Tensor:
    """(R,): log evidence of the seen observations in the Laplace approximation; -inf where the fit is not finite.

    Reference:
        MacKay (1992), Neural Computation 4:415, eq. 4.6, with regularizers as rows without normalisation.
    """
    rows = chain.rows(given, substeps, "rollouts")
    system, _ = rows.linearised(at, given)
    _, seen = rows.misfit(at, given)
    twice = at.cost / at.noise + system.log_determinant(at.noise) + seen * (LOG_TWO_PI + at.noise.log())
    return torch.where(torch.isfinite(twice) & torch.isfinite(at.cost), -0.5 * twice, -torch.inf)


def _joined(parts: list[Ends]) -> Ends:
    names = [field.name for field in fields(Ends)]
    return Ends(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})
