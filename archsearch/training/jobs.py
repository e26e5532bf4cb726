"""The two jobs that run a candidate's code, each in a confined process: fit and predict.

Each reads its task from its folder and leaves arrays there, or a failure as a kind and a sentence. Nothing that a job
says is believed: it is a claim until the trusted process has checked it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from archsearch.hybrid import CandidateError, HybridModel, load_candidate
from archsearch.training.diagnose import diagnose
from archsearch.training.field_fit import FieldFit, diagnose_field
from archsearch.training.field_predictions import is_field
from archsearch.training.fields import fit_field
from archsearch.training.fit import Fit
from archsearch.training.implicit import is_stiff
from archsearch.training.integrate import Coordinates
from archsearch.training.predict import INITIAL, LIMIT, SCALE, SPREAD, STIFF, is_implicit, predict
from archsearch.training.prepare import spreads
from archsearch.training.reported import solved
from archsearch.training.restarts import fit_restarted
from archsearch.training.static import StaticFit, diagnose_static, fit_static
from archsearch.training.task import Samples, Task

SOURCE_FILE = "candidate.py"
WEIGHTS_FILE = "weights.safetensors"
PREDICTIONS_FILE = "predictions.safetensors"
CLAIMS_FILE = "claims.json"
LIMITS_FILE = "limits.json"
"""By name the smallest margin of each limit along the predicted rollouts and its size; only if the model has limits."""
FAILURE_FILE = "failure.json"
EXPLICIT_STEPS = 64
"""Steps per sampling interval beyond which explicit methods are not worth their time."""
NO_MEMORY = "it asked for more memory than it may have"


def fit_job(folder: str) -> None:
    """Fit the candidate of a folder; leaves weights and claims, or a failure."""
    _run(Path(folder), _fit)


def predict_job(folder: str) -> None:
    """Predict with the fitted candidate of a folder; leaves predictions, or a failure."""
    _run(Path(folder), _predict)


class JobError(Exception):
    """A job cannot be done, for a reason that is worth telling."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def _run(folder: Path, work: Callable[[Path, Task, HybridModel], None]) -> None:
    task = Task.read(folder)
    try:
        work(folder, task, _load(folder, task))
    except JobError as failure:
        _fail(folder, failure.kind, failure.message)
    except MemoryError:
        _fail(folder, "memory", NO_MEMORY)
    except RecursionError:
        _fail(folder, "fit", "it calls itself without end")
    except Exception as error:  # noqa: BLE001  # a candidate may raise anything, and this is the one place that catches it
        no_memory = isinstance(error, RuntimeError) and "allocate memory" in str(error)  # how torch says so
        _fail(folder, *(("memory", NO_MEMORY) if no_memory else ("fit", f"{type(error).__name__}: {error}")))


def _fail(folder: Path, kind: str, message: str) -> None:
    (folder / FAILURE_FILE).write_text(json.dumps({"kind": kind, "message": message[:2000]}))


def _load(folder: Path, task: Task) -> HybridModel:
    generator = torch.Generator().manual_seed(task.seed)
    try:
        kind = load_candidate((folder / SOURCE_FILE).read_text())
        names = tuple(state.name for state in task.states)
        model = kind(names, task.inputs, generator=generator)
    except CandidateError as error:
        raise JobError("load", str(error)) from error
    except Exception as error:  # loading runs the candidate's own code
        raise JobError("load", f"{type(error).__name__}: {error}") from error
    return model


def _fit(folder: Path, task: Task, model: HybridModel) -> None:
    generator = torch.Generator().manual_seed(task.seed + 1)
    device = torch.device(_device(task.settings.device))
    model.to(device)
    samples = task.samples.to(device)
    if is_field(samples):
        found: Fit | StaticFit | FieldFit = fit_field(model, task.states, samples, task.settings, generator)
    elif model.is_static:
        found = fit_static(model, task.states, samples, task.settings, generator)
    else:
        found = fit_restarted(model, task.states, samples, task.settings, generator)
    if found.status == "diverged":
        raise JobError("diverged", "no finite rollout of the training data was found")
    claims = _diagnosed(found) | _declared(model, task.samples.to(device))
    claims["stages"] = [vars(stage) for stage in found.stages]
    arrays = {name: array.detach().contiguous() for name, array in model.to("cpu").state_arrays().items()}
    save_file(arrays | ({} if isinstance(found, StaticFit) else _starts(found, task)), folder / WEIGHTS_FILE)
    (folder / CLAIMS_FILE).write_text(json.dumps(claims))


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


def _predict(folder: Path, task: Task, model: HybridModel) -> None:
    stored = load_file(folder / WEIGHTS_FILE)
    model.load_arrays({name: array for name, array in stored.items() if not name.startswith(INITIAL)})
    found = predict(model, stored, task)
    margins = {name.removeprefix(LIMIT): found.pop(name).tolist() for name in list(found) if name.startswith(LIMIT)}
    if margins:
        said = {name: dict(zip(("least", "size"), both, strict=True)) for name, both in margins.items()}
        (folder / LIMITS_FILE).write_text(json.dumps(said))
    save_file(found, folder / PREDICTIONS_FILE)
