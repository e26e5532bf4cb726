"""The stages of a fit for many members at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from archsearch.settings import FitSettings
from archsearch.training.many.descent import Rule, descend_all, pick
from archsearch.training.many.flow import Flow, Way
from archsearch.training.many.given import Common, Given, Standing
from archsearch.training.many.rows import Kind, ManyRows
from archsearch.training.methods.chain import MOST_SUBSTEPS, NEAR, UNSTABLE
from archsearch.training.methods.gauss_newton import ROUGH, SMALL_DECREASE
from archsearch.training.methods.stages import Watch

QUIET = 1e-3
"""Factor of the last layers of all nets at the start that all but leaves the physics alone."""


class Chain:
    """The stages of a fit, for whichever members stand there.

    Args:
        common: what all members share.
        settings: numbers of steps.
        way: how derivatives and equations are computed.
        watch: called after every iteration of every stage.
    """

    def __init__(self, common: Common, settings: FitSettings, way: Way, watch: Watch) -> None:
        self.common, self._settings, self._way, self._watch = common, settings, way, watch
        self.stopped = False
        self._flows: dict[int, Flow] = {}

    def flow(self, substeps: int) -> Flow:
        """The candidate in time, with so many Runge-Kutta steps per interval."""
        if substeps not in self._flows:
            self._flows[substeps] = Flow(self.common, substeps, self._way)
        return self._flows[substeps]

    def rows(self, given: Given, substeps: int, kind: Kind) -> ManyRows:
        """The sums of squares of these members."""
        return ManyRows(self.common, given, self.flow(substeps), kind)

    def run(self, at: Standing, given: Given, substeps: int) -> Standing:
        """Single intervals, states and unknowns together, then whole trajectories from what rolls out best."""
        settings = self._settings
        rough = Rule(settings.segment_steps, ROUGH, evidence=False)
        near = Rule(settings.least_squares_steps, NEAR, evidence=True)
        matched = self._stage("single intervals", self.rows(given, substeps, "intervals"), at, given, rough)
        nodes = replace(matched, states=given.smooth)
        lifted = self._stage("states and unknowns", self.rows(given, substeps, "lifted"), nodes, given, near)
        rollouts = self.rows(given, substeps, "rollouts")
        points = [replace(at, p=at.p * self._quiet()), at, matched, lifted]
        known = [replace(point, noise=lifted.noise, precision=lifted.precision) for point in points]
        visited = [rollouts.visited(point, given) for point in known]
        return self.polished(pick(visited), given, substeps)

    def polished(self, at: Standing, given: Given, substeps: int) -> Standing:
        """Whole trajectories."""
        rule = Rule(self._settings.least_squares_steps, SMALL_DECREASE, evidence=True)
        return self._stage(
            f"whole trajectories, {substeps} substeps", self.rows(given, substeps, "rollouts"), at, given, rule
        )

    def stable_substeps(self, given: Given, at: Standing) -> int:
        """So many steps that single intervals from the smooth hardly depend on them, for the candidate as it is."""
        substeps = self._settings.substeps
        left = given.smooth[:, :, :-1]
        coarse = self.flow(substeps).ends(at.p, given, left)
        while substeps < MOST_SUBSTEPS:
            fine = self.flow(2 * substeps).ends(at.p, given, left)
            wrong = ((fine - coarse) / given.scale[:, None, None]).square()
            near = bool(wrong[torch.isfinite(wrong)].mean() <= UNSTABLE)
            if near and bool(torch.isfinite(coarse).all()):
                break
            substeps, coarse = 2 * substeps, fine
        return substeps

    def _stage(self, name: str, rows: ManyRows, at: Standing, given: Given, rule: Rule) -> Standing:
        if self.stopped:
            return rows.visited(at, given)
        return descend_all(rows, at, given, rule, self._going_on(name))

    def _going_on(self, name: str) -> Callable[[int], bool]:
        def goes_on(step: int) -> bool:
            self.stopped = self.stopped or not self._watch(name, step, math.nan)
            return not self.stopped

        return goes_on

    def _quiet(self) -> Tensor:
        """(P,): factors that turn down the last layer of every net."""
        nets, factors = self.common.model.nets(), []
        last = {f"{name}.{part}_{len(net.hidden)}" for name, net in nets.items() for part in ("weight", "bias")}
        for name, tensor in self.common.model.named_parameters():
            factors.append(torch.full_like(tensor.detach().reshape(-1), QUIET if name in last else 1.0))
        return torch.cat(factors)
