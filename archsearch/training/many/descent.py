"""Levenberg-Marquardt for many members at once: each with its own damping, none waiting for or touching another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from archsearch.training.many.given import Given, Standing
from archsearch.training.many.linear import Equations
from archsearch.training.many.rows import Answers, ManyRows
from archsearch.training.methods.evidence import ADJUST, CLEAN, FAST, NOISE, PRECISION, RECHECK, SETTLED
from archsearch.training.methods.gauss_newton import (
    DOUBTED,
    FIRST_DAMPING,
    LEAST_DAMPING,
    LOWER,
    RAISE,
    REFUSALS,
    SMALL_STEPS,
    TRUSTED,
)
from archsearch.training.squares.least_squares import GAP, MOST_GAP

GoOn = Callable[[int], bool]
"""Called after every iteration with their number; False stops."""


@dataclass(frozen=True)
class Rule:
    """How long to go on, and what is found besides the unknowns.

    Attributes:
        steps: iterations at most.
        enough: relative decrease of an iteration that is called small.
        evidence: whether noise and precision of the weights are found too, in turns of one step each.
    """

    steps: int
    enough: float
    evidence: bool


def descend_all(rows: ManyRows, at: Standing, given: Given, rule: Rule, go_on: GoOn) -> Standing:
    """Lower the sums of squares of all members; each ends at the best point that it visited.

    The host is asked once per iteration who is left, and once per trial step whether anybody still needs one. Members
    that are left out are dropped from the batch where that saves work: at once if members are computed one by one, and
    else when half of them have ended, so that shapes rarely change. Between two such moments an iteration is a fixed
    sequence of kernels: that is where a CUDA graph of an iteration, and one of a trial, would be captured.

    Reference:
        As `descend` and `maximise_evidence`, member by member.
    """
    at = _begun(rows, at, given)
    alone = rows.flow.way == "member by member"
    for step in range(1, rule.steps + 1):
        left = int((~at.done).sum())
        if left == 0:
            break
        if left < len(at.done) and (alone or 2 * left <= len(at.done)):
            index = (~at.done).nonzero().squeeze(-1)
            at = at.put(index, _iterated(rows, at.rows(index), given.rows(index), rule, step))
        else:
            at = _iterated(rows, at, given, rule, step)
        if not go_on(step):
            break
    return at


def _begun(rows: ManyRows, at: Standing, given: Given) -> Standing:
    """Where a descent begins; what is not finite there has ended."""
    first = torch.full_like(at.damping, FIRST_DAMPING)
    small = torch.zeros_like(at.small)
    at = rows.visited(
        replace(at, damping=first, small=small, settled=small > 0, gap=torch.full_like(at.gap, GAP)), given
    )
    return replace(at, done=~torch.isfinite(at.cost))


def _iterated(rows: ManyRows, at: Standing, given: Given, rule: Rule, step: int) -> Standing:
    """One iteration of every member that has not ended."""
    system, around = rows.linearised(at, given)
    new, refused = _improved(rows, at, given, system, around)
    gained = torch.where(refused, 0.0, (at.cost - new.cost) / at.cost)
    if not rule.evidence:
        small = torch.where(gained < rule.enough, new.small + 1, 0)
        return _ended(at, replace(new, small=small), refused | (small >= SMALL_STEPS))
    raised = refused & (at.gap * 10.0 <= MOST_GAP) if rows.kind == "lifted" else torch.zeros_like(refused)
    often = step % ADJUST == 0, step % RECHECK == 0
    due = ~raised & (gained < FAST) & torch.where(at.settled, often[1], often[0])
    if any(often):
        new = _with_hyper(rows, new, given, system, due)
    small = torch.where(new.settled & (gained < rule.enough), new.small + 1, 0)
    small = torch.where(raised, at.small, small)
    stricter = replace(
        new,
        gap=torch.where(raised, new.gap * 10.0, new.gap),
        damping=torch.where(raised, FIRST_DAMPING, new.damping),
        small=small,
    )
    return _ended(at, rows.reckoned(stricter, given), ~raised & (small >= SMALL_STEPS))


def _ended(before: Standing, after: Standing, ended: Tensor) -> Standing:
    """What had ended before stays exactly where it was."""
    return replace(after, done=ended).where(before.done, before)


def _improved(
    rows: ManyRows, at: Standing, given: Given, system: Equations, around: Answers
) -> tuple[Standing, Tensor]:
    """The next points, and for which members (R,) no damping helped; these stay."""
    best, pending, damping = at, ~at.done, at.damping
    for trial in range(REFUSALS):
        if trial and rows.flow.way == "member by member" and len(pending) > 1:
            index = pending.nonzero().squeeze(-1)
            some = replace(at, damping=damping).rows(index)
            found, better = _tried(rows, some, given.rows(index), system.rows(index), around.rows(index))
            best = best.put(index, best.rows(index).where(better, found))
            better = torch.zeros_like(pending).index_copy(0, index, better)
        else:
            found, better = _tried(rows, replace(at, damping=damping), given, system, around)
            better = pending & better
            best = best.where(better, found)
        pending = pending & ~better
        damping = torch.where(pending, damping * RAISE, damping)
        if not bool(pending.any()):
            break
    return best, pending


def _tried(rows: ManyRows, at: Standing, given: Given, system: Equations, around: Answers) -> tuple[Standing, Tensor]:
    """The points one damped step further, and for which members (R,) they are better."""
    step = system.step(at.noise, at.damping)
    found = rows.moved(at, around, step, given)
    better = step.found & (found.cost < at.cost)
    kept = (at.cost - found.cost) / (at.cost - step.promised).clamp(min=1e-300)
    trust = torch.where(kept > DOUBTED, torch.ones_like(kept), RAISE / 2.0)
    trust = torch.where(kept > TRUSTED, 1.0 / LOWER, trust)
    return replace(found, damping=(at.damping * trust).clamp(min=LEAST_DAMPING)), better


def _with_hyper(rows: ManyRows, at: Standing, given: Given, system: Equations, due: Tensor) -> Standing:
    """Noise and precision that fit the points, for the members (R,) that are due."""
    if rows.flow.way == "all at once":
        return at.where(due, _updated(rows, at, given, system))
    index = due.nonzero().squeeze(-1)
    if not len(index):
        return at
    return at.put(index, _updated(rows, at.rows(index), given.rows(index), system.rows(index)))


def _updated(rows: ManyRows, at: Standing, given: Given, system: Equations) -> Standing:
    """Noise and precision that fit the points; as they were where the curvature is singular."""
    told = system.determined(at.noise)
    precision = torch.where(given.held, at.precision, _precision(rows, at, told.weights))
    noise = _noise(rows, at, given, told.weights + told.others)
    near = (noise - at.noise).abs() <= SETTLED * at.noise
    near = near & ((precision - at.precision).abs() <= SETTLED * at.precision)
    new = replace(at, noise=noise, precision=precision, settled=near | (noise < CLEAN))
    return replace(at, settled=torch.ones_like(at.settled)).where(told.found, new)


def _precision(rows: ManyRows, at: Standing, determined: Tensor) -> Tensor:
    if not rows.has_weights:
        return at.precision
    squares = rows.weights_away(at)
    found = (determined / squares).clamp(*PRECISION)
    return torch.where(torch.isfinite(found) & (squares > 0), found, at.precision)


def _noise(rows: ManyRows, at: Standing, given: Given, free: Tensor) -> Tensor:
    """Misfit over degrees of freedom; as it was where nothing is left over to tell, or where it is known."""
    if not rows.noise_is_free:
        return at.noise
    misfit, seen = rows.misfit(at, given)
    found = (misfit / (seen - free)).clamp(*NOISE)
    return torch.where((seen - free >= 1.0) & torch.isfinite(found), found, at.noise)


def pick(points: list[Standing]) -> Standing:
    """Member by member the point of least cost, the later one of equals."""
    best = points[0]
    for point in points[1:]:
        best = best.where((point.cost <= best.cost) | ~torch.isfinite(best.cost), point)
    return best
