"""The two jobs that run a candidate's code, each in a confined process: fit and predict.

Each is given contents by name and returns a header and bytes: claims and arrays, or a failure as a kind and a sentence.
Nothing that a job says is believed: it is a claim until the trusted process has checked it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from archsearch.hybrid import CandidateError, HybridModel, load_candidate
from archsearch.training.data.task import Buffer, Samples, Task, unpack_tasks
from archsearch.training.diagnose import diagnose
from archsearch.training.fields.fit import fit_field
from archsearch.training.fields.fitted import FieldFit, diagnose_field
from archsearch.training.fields.predictions import is_field
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.implicit.rollout import is_stiff
from archsearch.training.methods.fit import Fit
from archsearch.training.methods.stages import Watch, unwatched
from archsearch.training.predict import INITIAL, LIMIT, SCALE, SPREAD, STIFF, is_implicit, predict
from archsearch.training.reported.solved import solved
from archsearch.training.restarts import fit_restarted
from archsearch.training.squares.prepare import spreads
from archsearch.training.static.fit import StaticFit, diagnose_static, fit_static

SOURCE, TASKS, WEIGHTS, SAMPLES = "source", "tasks", "weights", "samples"
"""Names of what a job is given: the candidate, its tasks, what the fit left, and for a fit the samples. A prediction
has any number of tasks, and of samples by the names of the tasks."""
FAILURE = "failure"
"""Key of the header that holds kind and message of a failure; there only if the job failed."""
MARGINS = "limits"
"""Key of the header that holds, by task, the smallest margin of each limit along its rollouts and its size, by name;
there only if the model has limits."""
EXPLICIT_STEPS = 64
"""Steps per sampling interval beyond which explicit methods are not worth their time."""
NO_MEMORY = "it asked for more memory than it may have"

Given = Mapping[str, Buffer]
Result = tuple[dict[str, Any], bytes]


def fit_job(given: Given, watch: Watch = unwatched) -> Result:
    """Fit a candidate; returns claims and weights as safetensors, or a failure."""
    return _guarded(given, partial(_fit, watch=watch))


def predict_job(given: Given) -> Result:
    """Predict with a fitted candidate; returns claims and predictions, or a failure.

    The predictions are float64, little-endian, one array behind the other: for every task in its order the dense
    states (N, D, n), then for every one of its gates the states without that term (N, T, n).
    """
    return _guarded(given, _predict)


class JobError(Exception):
    """A job cannot be done, for a reason that is worth telling."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def _guarded(given: Given, work: Callable[[Given], Result]) -> Result:
    try:
        return work(given)
    except JobError as failure:
        return _failure(failure.kind, failure.message)
    except MemoryError:
        return _failure("memory", NO_MEMORY)
    except RecursionError:
        return _failure("fit", "it calls itself without end")
    except Exception as error:  # noqa: BLE001  # a candidate may raise anything, and this is the one place that catches it
        no_memory = isinstance(error, RuntimeError) and "allocate memory" in str(error)  # how torch says so
        return _failure(*(("memory", NO_MEMORY) if no_memory else ("fit", f"{type(error).__name__}: {error}")))


def _failure(kind: str, message: str) -> Result:
    return {FAILURE: {"kind": kind, "message": message[:2000]}}, b""


def _load(given: Given, task: Task) -> HybridModel:
    seed_everything(task.seed, _device(task.settings.device))
    generator = torch.Generator().manual_seed(task.seed)
    try:
        kind = load_candidate(bytes(given[SOURCE]).decode())
        names = tuple(state.name for state in task.states)
        model = kind(names, task.inputs, generator=generator)
    except CandidateError as error:
        raise JobError("load", str(error)) from error
    except Exception as error:  # loading runs the candidate's own code
        raise JobError("load", f"{type(error).__name__}: {error}") from error
    return model


def seed_everything(seed: int, device: str = "cpu") -> None:
    """Every generator that a candidate could draw from: forks of one process begin with the same state of all."""
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.manual_seed(seed)  # of every device there may be, which takes as long as loading a candidate


def _fit(given: Given, watch: Watch) -> Result:
    task = unpack_tasks(given[TASKS], given)[SAMPLES]
    model = _load(given, task)
    generator = torch.Generator().manual_seed(task.seed + 1)
    device = torch.device(_device(task.settings.device))
    model.to(device)
    samples = task.samples.to(device)
    if is_field(samples):
        found: Fit | StaticFit | FieldFit = fit_field(model, task.states, samples, task.settings, generator, watch)
    elif model.is_static:
        found = fit_static(model, task.states, samples, task.settings, generator, watch)
    else:
        found = fit_restarted(model, task.states, samples, task.settings, generator, watch)
    if found.status == "diverged":
        raise JobError("diverged", "no finite rollout of the training data was found")
    claims = _diagnosed(found) | _declared(model, task.samples.to(device))
    claims["stages"] = [vars(stage) for stage in found.stages]
    arrays = {name: array.detach().contiguous() for name, array in model.to("cpu").state_arrays().items()}
    return _finite(claims), save(arrays | ({} if isinstance(found, StaticFit) else _starts(found, task)))


def _diagnosed(found: Fit | StaticFit | FieldFit) -> dict[str, Any]:
    if isinstance(found, FieldFit):
        return diagnose_field(found)
    return diagnose_static(found) if isinstance(found, StaticFit) else diagnose(found)


def _declared(model: HybridModel, samples: Samples) -> dict[str, Any]:
    """What the candidate says of itself: its parameters, nets and terms."""
    params = model.parameters_declared()
    return {
        "parameters": {
            name: {"unit": param.unit, "low": param.low, "high": param.high} for name, param in params.items()
        },
        "nets": {
            name: {"role": net.role, "inputs": net.inputs, "hidden": net.hidden, "weights": net.weights}
            for name, net in model.nets().items()
        },
        "terms": _terms(model, samples),
        "dropped": list(model.dropped),
        "replaced": dict(model.replaced),
    }


@torch.no_grad()
def _terms(model: HybridModel, samples: Samples) -> list[str]:
    """The names of the terms, read off one evaluation: at the first sample, or at 1 where nothing was measured."""
    x = samples.states[:1, 0]
    x = torch.where(torch.isfinite(x), x, 1.0)
    guesses = x.new_tensor([list(model.algebraic_variables.values())])
    w = torch.cat([x, guesses.expand(*x.shape[:-1], -1)], -1)
    return list(model.term_values(samples.times[:1, 0], w, samples.inputs[:1, 0]))


def _device(wanted: str) -> str:
    """Where to fit: a GPU only if it is asked for, because one small fit there waits for kernels to start."""
    return "cpu" if wanted == "auto" else wanted


def _starts(found: Fit | FieldFit, task: Task) -> dict[str, Tensor]:
    """What a prediction needs besides source and fitted values: where rollouts start, how large states are."""
    if isinstance(found, FieldFit):
        return {f"{INITIAL}.{name}": found.initial[i].cpu().clone() for i, name in enumerate(task.samples.ids)}
    initial, loss = found.initial.cpu(), found.loss
    arrays = {f"{INITIAL}.{name}": initial[i].clone() for i, name in enumerate(task.samples.ids)}
    arrays[INITIAL] = initial.mean(0)
    smoothed = loss.smoothed.states.cpu()
    hidden = ~torch.isfinite(task.samples.states).any(0).any(0)
    arrays[SCALE] = torch.where(hidden, spreads(smoothed), loss.scale.cpu())
    if not loss.model.algebraic_variables:
        given = loss.model, Coordinates.of(task.states), smoothed, task.samples.times, task.samples.inputs
        arrays[STIFF] = torch.tensor([float(is_stiff(*given, EXPLICIT_STEPS))], dtype=torch.float64)
    if type(loss.model).observe is not HybridModel.observe:
        arrays[SPREAD] = _spread(loss.model, arrays, task)
    return arrays


def _spread(model: HybridModel, arrays: dict[str, Tensor], task: Task) -> Tensor:
    """(n,), inner coordinates: the spread of the states along the fitted rollouts, whatever is measured of them."""
    samples, coordinates = task.samples, Coordinates.of(task.states)
    z0 = coordinates.inner(torch.stack([arrays[f"{INITIAL}.{name}"] for name in samples.ids]))
    z = solved(model, coordinates, z0, samples.times, samples.inputs, 1, is_implicit(model, arrays))
    return spreads(z[..., : len(task.states)])


def _predict(given: Given) -> Result:
    tasks = unpack_tasks(given[TASKS], given)
    model = _load(given, next(iter(tasks.values())))
    stored = load(bytes(given[WEIGHTS]))
    model.load_arrays({name: array for name, array in stored.items() if not name.startswith(INITIAL)})
    pieces, margins = list[Tensor](), dict[str, Any]()
    for name, found in predict(model, stored, tasks).items():
        pieces += [found["dense_states"], *(found[f"without.{term}"] for term in tasks[name].gates)]
        margins[name] = _margins(found)
    claims = {MARGINS: _finite(margins)} if any(margins.values()) else {}
    return claims, b"".join(piece.numpy().astype("<f8").tobytes() for piece in pieces)


def _margins(found: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """By limit its smallest margin along the rollouts of a prediction, and its size."""
    both = {key.removeprefix(LIMIT): array.tolist() for key, array in found.items() if key.startswith(LIMIT)}
    return {name: {"least": least, "size": size} for name, (least, size) in both.items()}


def _finite(value: Any) -> Any:
    """The same with None for every number that is not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
