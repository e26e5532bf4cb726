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
from archsearch.training.fit import Fit, fit
from archsearch.training.predict import INITIAL, SCALE, predict
from archsearch.training.prepare import spreads
from archsearch.training.task import Task

SOURCE_FILE = "candidate.py"
WEIGHTS_FILE = "weights.safetensors"
PREDICTIONS_FILE = "predictions.safetensors"
CLAIMS_FILE = "claims.json"
FAILURE_FILE = "failure.json"
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
    found = fit(model, task.states, task.samples.to(device), task.settings, generator)
    if found.status == "diverged":
        raise JobError("diverged", "no finite rollout of the training data was found")
    claims = diagnose(found) | _declared(model, found)
    claims["stages"] = [vars(stage) for stage in found.stages]
    save_file(_arrays(model.to("cpu"), found, task), folder / WEIGHTS_FILE)
    (folder / CLAIMS_FILE).write_text(json.dumps(claims))


def _declared(model: HybridModel, found: Fit) -> dict[str, Any]:
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
        "terms": list(model.term_values(*_one_node(found))),
        "dropped": list(model.dropped),
        "replaced": dict(model.replaced),
    }


def _one_node(found: Fit) -> tuple[Tensor, Tensor, Tensor]:
    t, z, u = found.loss.nodes()
    return t[:1], found.loss.coordinates.natural(z[:1]), u[:1]


def _device(wanted: str) -> str:
    """Where to fit: a GPU only if it is asked for, because one small fit there waits for kernels to start."""
    return "cpu" if wanted == "auto" else wanted


def _arrays(model: HybridModel, found: Fit, task: Task) -> dict[str, Tensor]:
    """Everything that a prediction needs besides the source."""
    initial = found.initial.cpu()
    arrays = {name: array.detach().contiguous() for name, array in model.state_arrays().items()}
    arrays |= {f"{INITIAL}.{name}": initial[i].clone() for i, name in enumerate(task.samples.ids)}
    arrays[INITIAL] = initial.mean(0)
    hidden = ~torch.isfinite(task.samples.states).any(0).any(0)
    arrays[SCALE] = torch.where(hidden, spreads(found.loss.smoothed.states.cpu()), found.loss.scale.cpu())
    return arrays


def _predict(folder: Path, task: Task, model: HybridModel) -> None:
    stored = load_file(folder / WEIGHTS_FILE)
    model.load_arrays({name: array for name, array in stored.items() if not name.startswith(INITIAL)})
    save_file(predict(model, stored, task), folder / PREDICTIONS_FILE)
