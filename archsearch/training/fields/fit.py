"""Fit a candidate whose state is a field on a grid: the weak form first, then short rollouts where they help.

A rollout of a field has thousands of states, too many for the Jacobian that fits other candidates. The weak form needs
none; it is biased by no more than the smooth and the quadrature. Short rollouts mend that, and are kept only if whole
rollouts of what was held out become better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from archsearch.errors import DataError
from archsearch.hybrid import HybridModel
from archsearch.problem.space import State
from archsearch.settings import FitSettings
from archsearch.training.algebra.minimise import GoOn, Minimum
from archsearch.training.data.task import Samples
from archsearch.training.fields import problem as field_problem
from archsearch.training.fields.fitted import FieldFit
from archsearch.training.fields.patches import Patches
from archsearch.training.fields.rollouts import ShortRollouts, Shorts, field_rollout
from archsearch.training.fields.sampled_newton import Prior, descend
from archsearch.training.fields.smoothing import smooth_frames
from archsearch.training.fields.smoothing_space import smooth_in_space
from archsearch.training.fields.weak_form import WeakForm, Weights
from archsearch.training.fields.windows import PureField, windows_of
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.flow.sensitivities import Flat
from archsearch.training.methods.stages import Journal, Watch, unwatched
from archsearch.training.squares.losses import prior_of
from archsearch.training.squares.prepare import spreads

__all__ = ["field_rollout", "fit_field"]

PRECISION = torch.float32
"""Of the fit: its residuals are noisy; every rollout that is judged or reported is in double precision."""
WEAK_STEPS = 40
SHORT_STEPS = 3
MOST_SUBSTEPS = 64
WILD = 100.0
"""A rollout with an error of so many variances may be no more than a time step too long for the grid."""
GRID_SHARE = 0.01
"""Time steps are fine enough if halving them changes the rollout by less than this share of the misfit."""
GRID_FLOOR = 1e-9
GUIDED_ROUNDS, GUIDED_STEPS = 3, 8
GAINED = 0.99
"""Another round of smoothing and weak form follows as long as the error of what was held out falls below this share."""


def fit_field(
    model: HybridModel,
    states: tuple[State, ...],
    samples: Samples,
    settings: FitSettings,
    generator: torch.Generator,
    watch: Watch = unwatched,
) -> FieldFit:
    """Fit the parameters and nets of a model of fields, in place.

    Args:
        model: the candidate, initialised.
        states: what is known of its states.
        samples: the observations that may be seen; `states` (N, T, *grid, n), `inputs` (N, T, m) or (N, T, *grid, m).
        settings: weights of priors, steps per interval, share held out.
        generator: draws whatever is drawn.
        watch: called after every iteration; False stops the fit, which is then reported as it is.

    Raises:
        DataError: a state is never observed at some point of the grid.
    """
    fit = _FieldFit.of(model, states, samples, settings, generator, Journal(watch))
    fit.weak_form()
    fit.guided()
    fit.short_rollouts()
    return fit.ended(fit.checked())


@dataclass
class _FieldFit:
    """A fit under way.

    Attributes:
        model: the candidate.
        states: what is known of its states.
        coordinates: the inner coordinates.
        samples: what may be seen.
        observations: (N, T, *grid, n), inner coordinates.
        smoothed: (N, T, *grid, n), their smooth.
        initial: (N, *grid, n), inner coordinates.
        weights: the units of the misfit.
        prior: of the unknowns, weighed by the noise.
        settings: of the fit.
        generator: draws whatever is drawn.
        journal: what was done, and who watches.
        substeps: Runge-Kutta steps per sampling interval.
        rolled: (N, T, *grid, n), inner coordinates, the rollouts where the model stands.
        aside: (N, T), frames that are held out.
        weak: the weak form.
        patches: how far the model sees.
    """

    model: HybridModel
    states: tuple[State, ...]
    coordinates: Coordinates
    samples: Samples
    observations: Tensor
    smoothed: Tensor
    initial: Tensor
    weights: Weights
    prior: Prior
    settings: FitSettings
    generator: torch.Generator
    journal: Journal
    substeps: int
    rolled: Tensor
    aside: Tensor = field(init=False)
    weak: WeakForm = field(init=False)
    patches: Patches | None = None

    @staticmethod
    def of(
        model: HybridModel,
        states: tuple[State, ...],
        samples: Samples,
        settings: FitSettings,
        generator: torch.Generator,
        journal: Journal,
    ) -> _FieldFit:
        """Smooth, find the scales, calibrate the nets."""
        coordinates = Coordinates.of(states, samples.times.device)
        observations = coordinates.inner(samples.states)
        smoothed = smooth_frames(samples.times, samples.valid, observations, field_problem.exact_states(states))
        slopes = field_problem.slopes_of(samples, smoothed.states)
        asked = {name: weight for name, weight in model.regularizers.items() if weight > 0} if model.nets() else {}
        if "physics_alone" in asked:
            raise DataError(
                "The regularizer 'physics_alone' is not available for fields.", "Use 'norm' or 'correlation' instead."
            )
        weights = Weights(spreads(observations), spreads(slopes), asked)
        field_problem.calibrate_on_frames(model, coordinates, samples, smoothed.states, slopes)
        mean, precision = prior_of(model, model.raw.detach().clone(), settings.weight_decay, settings.parameter_prior)
        noise = field_problem.noise_of(states, smoothed, weights.scale)
        return _FieldFit(
            model=model,
            states=states,
            coordinates=coordinates,
            samples=samples,
            observations=observations,
            smoothed=smooth_in_space(smoothed, samples.valid),
            initial=field_problem.initial_frames(states, coordinates, observations, smoothed.states),
            weights=weights,
            prior=Prior((noise * precision).to(PRECISION), mean.to(PRECISION)),
            settings=settings,
            generator=generator,
            journal=journal,
            substeps=settings.substeps,
            rolled=smoothed.states,
        )

    def weak_form(self) -> None:
        """Fit the weak form, in place."""

        def work(go_on: GoOn) -> Minimum:
            self.weak = self._weak_form(self.weights)
            self.patches = self.weak.look_around(self._here().to(self.initial.dtype))
            seen = f"sees {self.patches.radius} points far" if self.patches else "sees the whole grid"
            reached = self._descended(self.weak, WEAK_STEPS, go_on)
            return replace(reached, said=f"{reached.reason}; {seen}")

        self.journal.run("weak form", work)
        self.aside = field_problem.held_out(self.samples.valid, self.settings.inner_validation, self.generator)

    def guided(self) -> None:
        """Smooth again what the rollouts leave over, and fit the weak form again, in place, as long as that helps.

        First along the grid as well, which takes away most of the noise that a model sees, then in time alone, which
        bends nothing that is a few points wide.
        A smooth rounds the corners that inputs make and flattens what is fast. What a fitted model leaves over has no
        such features, so that much stronger smoothing does it no harm.

        Reference:
            Glad (1998), "Parametrically guided non-parametric regression", Scand. J. Statist. 25:649, in additive form.
        """
        for in_space in (True, False):
            for _ in range(GUIDED_ROUNDS):
                before = self._error(self.rolled, self.aside)
                if self.journal.stopped or not self._can_be_judged():
                    return
                self.journal.run("guided" if in_space else "guided in time", partial(self._guided, in_space))
                if not self._error(self.rolled, self.aside) < GAINED * before:
                    break

    def short_rollouts(self) -> None:
        """Fit short rollouts, in place, unless whole rollouts of what was held out become worse by it."""
        samples, allowed = self.samples, self.samples.valid & ~self.aside
        shorts = Shorts.of(samples.times, samples.inputs, self.smoothed, self.observations, allowed, self.generator)
        if shorts is None or self.journal.stopped or not self._can_be_judged():
            return
        pure, scale = PureField(self.model, self.coordinates, PRECISION), self.weights.scale.to(PRECISION)
        problem = ShortRollouts(pure, shorts.to(PRECISION), self.weak, scale, self.substeps)

        def work(go_on: GoOn) -> Minimum:
            before = self._standing()
            return self._kept_if_better(self._descended(problem, SHORT_STEPS, go_on), before)

        self.journal.run("short rollouts", work)

    def checked(self) -> float:
        """Halve the time steps until that no longer matters; the mean square error of the rollouts."""

        def work(_: GoOn) -> Minimum:
            coarse = self._roll(self.substeps // 2) if self.substeps > 1 else None
            while coarse is None or (self._changed(coarse) and self.substeps < MOST_SUBSTEPS):
                coarse, self.substeps = self.rolled, 2 * self.substeps
                self.rolled = self._roll(self.substeps)
            return Minimum(self._error(self.rolled), 0, "converged", f"{self.substeps} substeps")

        return self.journal.run("whole rollouts", work).loss

    def ended(self, error: float) -> FieldFit:
        """The fit as it stands; regularizers have no part in what the data say."""
        initial, prior = self.coordinates.natural(self.initial), self.settings.parameter_prior
        weak = self._weak_form(replace(self.weights, regularizers={}))
        return FieldFit(self.model, initial, weak, prior, error, tuple(self.journal.stages))

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _weak_form(self, weights: Weights) -> WeakForm:
        """The weak form on the smooth as it is now."""
        samples, pure = self.samples, PureField(self.model, self.coordinates, PRECISION)
        windows = windows_of(samples.times, samples.valid, samples.inputs, self.smoothed).to(PRECISION)
        return WeakForm(pure, windows, weights.to(PRECISION), self.generator, self.patches)

    def _descended(self, problem: WeakForm | ShortRollouts, steps: int, go_on: GoOn) -> Minimum:
        """Fit, in place, and roll out; the loss per residual."""

        def told(p: Tensor, step: int, cost: float) -> bool:
            self._go(p)
            return go_on(step, cost / problem.count)

        p, reached = descend(problem, self.prior, self._here(), steps, told)
        self._go(p)
        self._refine_to_finite()
        return replace(reached, loss=reached.loss / problem.count)

    def _guided(self, in_space: bool, go_on: GoOn) -> Minimum:
        """One round: smooth what the rollouts leave over, fit the weak form."""
        before, left = self._standing(), self.observations - self.rolled
        smoothed = smooth_frames(self.samples.times, self.samples.valid, left, field_problem.exact_states(self.states))
        in_time = smoothed.states
        self.smoothed = self.rolled + (smooth_in_space(smoothed, self.samples.valid) if in_space else in_time)
        self.initial = field_problem.initial_frames(
            self.states, self.coordinates, self.observations, self.rolled + in_time
        )
        self.weak = self._weak_form(self.weights)
        return self._kept_if_better(self._descended(self.weak, GUIDED_STEPS, go_on), before)

    def _can_be_judged(self) -> bool:
        """Whether anything is held out and the rollouts are finite there."""
        return bool(self.aside.any()) and math.isfinite(self._error(self.rolled))

    def _standing(self) -> tuple[Tensor, ...]:
        """What a stage changes, and may have to be taken back."""
        return self._here(), self.smoothed, self.initial, self.rolled

    def _kept_if_better(self, reached: Minimum, before: tuple[Tensor, ...]) -> Minimum:
        """Go back to how it was before unless the rollouts of what was held out are better now."""
        was, now = self._error(before[-1], self.aside), self._error(self.rolled, self.aside)
        if not now < was:
            p, self.smoothed, self.initial, self.rolled = before
            self._go(p)
        word = "kept" if now < was else "not kept"
        return replace(reached, said=f"{word}: error of what was held out {now:.4g}, before {was:.4g}")

    def _here(self) -> Tensor:
        return Flat.of(self.model).vector(self.model).to(PRECISION)

    def _go(self, p: Tensor) -> None:
        Flat.of(self.model).store(self.model, p.to(self.model.raw.dtype))

    def _refine_to_finite(self) -> None:
        """Roll out, with steps so fine that nothing diverges or runs wild, if any are."""
        self.rolled = self._roll(self.substeps)
        while not self._error(self.rolled) < WILD and self.substeps < MOST_SUBSTEPS:
            self.substeps *= 2
            self.rolled = self._roll(self.substeps)

    def _changed(self, coarse: Tensor) -> bool:
        """Whether the rollout differs from a coarser one by more than a small part of the misfit."""
        valid = self.samples.valid
        change = float(((self.rolled - coarse) / self.weights.scale)[valid].square().mean())
        return not change <= max(GRID_SHARE * self._error(self.rolled), GRID_FLOOR)

    @torch.no_grad()
    def _roll(self, substeps: int) -> Tensor:
        samples = self.samples
        return field_rollout(self.model, self.initial, samples.times, samples.inputs, substeps, self.coordinates)

    def _error(self, rolled: Tensor, where: Tensor | None = None) -> float:
        """Mean square error at frames (N, T), default all, in variances of the data; infinite where not finite."""
        where = self.samples.valid if where is None else where
        wrong = ((rolled - self.observations) / self.weights.scale)[where]
        error = float(wrong[torch.isfinite(self.observations[where])].square().mean())
        return error if math.isfinite(error) else math.inf
