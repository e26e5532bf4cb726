"""Candidates of every shape, exported, and what the project's own integrator makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from archsearch.candidate.candidate import content_id
from archsearch.candidate.outcome import Evaluation, FittedParameter, Score
from archsearch.export.python import python_file
from archsearch.hybrid import load_candidate
from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import DataTable, Input, Parameter, ProblemTable, SearchSpace, SplitTable, State, Term
from archsearch.problem.trajectories import Trajectories
from archsearch.training.flow.integrate import Coordinates
from archsearch.training.reported.accurate import accurate

HEADER = "from archsearch.hybrid import HybridModel, Net, Param\n"

SOURCES = {
    "physics": '''"""Logistic growth."""
class Candidate(HybridModel):
    rate = Param(0.7, low=0.0, high=2.0, unit="1/h")
    yield_ = Param(2.0, unit="g/g")

    def rhs(self, t, x, u):
        """Growth on what is fed."""
        growth = self.term("growth", self.rate * x.X * x.S / (1.0 + x.S))
        return {"X": growth - u.D * x.X, "S": u.D * (5.0 - x.S) - growth / self.yield_}
''',
    "replaced": """
class Candidate(HybridModel):
    rate = Param(0.7, low=0.0, high=2.0, unit="1/h")
    kinetics = Net(inputs=("S",), role="replace", hidden=(6,), positive=True, monotone={"S": "+"}, zero_at={"S": 0.0})

    def rhs(self, t, x, u):
        given = self.rate * x.S
        mu = self.kinetics(x.S, instead_of=given)
        return {"X": mu * x.X - u.D * x.X, "S": u.D * (5.0 - x.S) - mu * x.X}
""",
    "added": """
class Candidate(HybridModel):
    correction = Net(inputs=("X", "S", "D"), role="add", hidden=(12, 12), outputs=("X", "S"), activation="softplus")

    def rhs(self, t, x, u):
        more, less = self.correction(x.X, x.S, u.D)
        return {"X": 0.1 * x.X - 0.01 * x.X * x.X + more, "S": u.D * (5.0 - x.S) + less}
""",
    "bounded": """
class Candidate(HybridModel):
    factor = Net(inputs=("S", "X"), role="scale", hidden=(4,), bounded=(0.2, 1.5), monotone={"X": "-"})
    drag = Net(inputs=("X",), role="add", hidden=(3,), outputs=("X",), monotone={"X": "-"}, zero_at={"X": 0.5})
    plain = Net(inputs=("S",), role="scale", hidden=())

    def rhs(self, t, x, u):
        growth = 0.5 * x.X * self.factor(x.S, x.X) * self.plain(x.S)
        return {"X": growth - u.D * x.X + self.drag(x.X), "S": u.D * (5.0 - x.S) - 0.4 * growth}
""",
    "rising": """
class Candidate(HybridModel):
    uptake = Net(inputs=("X", "S", "D"), role="scale", hidden=(5, 4), monotone={"S": "+"}, zero_at={"S": 0.2, "X": 0.1})
    leak = Net(("X", "S"), role="add", hidden=(4,), outputs=("S",), bounded=(-0.3, 0.1), monotone={"S": "-"},
               zero_at={"S": 0.0})
    both = Net(("X", "S"), role="scale", hidden=(4,), monotone={"S": "+", "X": "+"}, zero_at={"S": 0.0, "X": 0.0})

    def rhs(self, t, x, u):
        growth = 0.5 * self.uptake(x.X, x.S, u.D) * self.both(x.X, x.S)
        return {"X": growth - u.D * x.X, "S": u.D * (5.0 - x.S) - 0.4 * growth + self.leak(x.X, x.S)}
""",
    "clashing": """
import torch.nn.functional as F
from torch import Tensor

def saturation(value: Tensor, half: float = 0.5) -> Tensor:
    return F.relu(value) / (half + F.relu(value))


class Candidate(HybridModel):
    array = Param(0.4, low=0.0, high=1.0, unit="1/h")
    t = Param(0.3, low=0.0, high=1.0, unit="1/h")
    growth = Param(0.9, low=0.0, high=2.0, unit="1/h")
    gravity = Param(9.81, unit="m/s**2", fixed=True)
    half = 0.7
    simulate = Net(inputs=("X",), role="scale", hidden=(3,))

    def _growth(self, x, u):
        return self.array * x.X * saturation(x.S, half=self.half) * self.gravity / 9.81

    def rhs(self, t, x, u):
        import_ = self._growth(x, u)
        growth = self.term("growth", import_ * torch.exp(-0.1 * self.t) + self.growth * torch.sin(t) * 0.01)
        unused = self.growth * 3
        return {"X": growth * self.simulate(x.X), "S": u.D * (5.0 - x.S) - 0.2 * growth}
""",
}


@dataclass(frozen=True)
class Exported:
    """An exported candidate with what it must reproduce."""

    path: Path
    text: str
    reference: np.ndarray


def small_problem() -> Problem:
    """Two trajectories of different length, an input that jumps, X positive and integrated as a logarithm."""
    times = np.array([[0.0, 1.0, 2.5, 3.0, 5.0, 6.0], [0.0, 0.5, 1.0, 4.0, 4.0, 4.0]])
    inputs = np.array([[0.1, 0.5, 0.0, 0.2, 0.3, 0.0], [0.0, 0.4, 0.1, 0.0, 0.0, 0.0]])[..., None]
    states = np.stack([1.0 + 0.3 * times, 4.0 - 0.4 * times], -1)
    states[1, 4:] = np.nan
    data = Trajectories(("a", "b"), times, states, inputs, np.array([6, 4]))
    part = Part(data, data.valid, data.valid, "first")
    space = SearchSpace(
        problem=ProblemTable(title='Chemostat_100 % "quoted"', time_unit="h"),
        data=DataTable(file="data.csv"),
        split=SplitTable(),
        states=(State(name="X", unit="g/L", scale="log", positive=True), State(name="S", unit="g/L")),
        inputs=(Input(name="D", unit="1/h"),),
        parameters=(Parameter(name="rate", value=0.5, unit="1/h", description="growth rate"),),
        terms=(Term(name="growth", expression="rate * X", equations={"X": "+", "S": "-"}),),
    )
    return Problem(space, Path(), "chemostat", part, part, None, np.array([0.5, 0.7]), "f" * 64)


def record(source: str, parameters: dict[str, FittedParameter]) -> Evaluation:
    """An evaluation of a source with invented scores."""
    score = Score(nrmse=0.1234, rmse={"X": 0.2, "S": 0.3}, per_trajectory={"a": 0.1}, trajectories=1, diverged=0)
    return Evaluation(
        number=7,
        candidate=content_id(source),
        author="grammar",
        claim='It says """much""" about \\',
        status="ok",
        train=score,
        validation=score,
        parameters=parameters,
    )


def export(name: str, folder: Path) -> Exported:
    """Write the export of a candidate and integrate it the way that stored predictions are made."""
    source, problem = HEADER + "import torch\n" + SOURCES[name], small_problem()
    model = load_candidate(source)(("X", "S"), ("D",), generator=torch.Generator().manual_seed(3))
    data = problem.train.trajectories
    x, u, t = (torch.as_tensor(array[0]) for array in (data.states, data.inputs, data.times))
    model.calibrate(t, x, u, torch.tensor([0.6, 0.8]))
    model.requires_grad_(False)
    start = torch.tensor([[1.0, 4.0], [0.4, 3.0]], dtype=torch.float64)
    arrays = {**model.state_arrays(), "initial.a": start[0].clone(), "initial.b": start[1].clone()}
    arrays["initial"] = start.mean(0)
    coordinates = Coordinates.of(problem.space.states)
    times, inputs = torch.as_tensor(data.times), torch.as_tensor(data.inputs)
    z = accurate(coordinates.field(model), coordinates.inner(start), times, inputs, 1)
    fitted = {
        key: FittedParameter(value=float(value), unit="1/h", low=0.0, high=None, identified=True)
        for key, value in model.parameter_values().items()
    }
    text = python_file(problem, record(source, fitted), source, save(arrays), run="a-run")
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return Exported(path, text, coordinates.natural(z).numpy())


ALONE = """
import contextlib, importlib.util, io, json, sys
sys.path.append(sys.argv[1])
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"archsearch", "torchdiffeq", "scipy", "pydantic", "jinja2", "safetensors"}:
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
found = {}
for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("exported", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        module.main()
    cases = {n: module.simulate(c["times"], c["initial"], c["inputs"]) for n, c in module.TRAINING.items()}
    states = {n: {k: v.tolist() for k, v in states.items()} for n, states in cases.items()}
    found[path] = {"states": states, "printed": printed.getvalue()}
assert not any(name.startswith("archsearch") for name in sys.modules)
print(json.dumps(found))
"""


def run_alone(paths: list[Path]) -> dict[str, dict[str, object]]:
    """Run exported files in an interpreter that has torch, and nothing of ours to import."""
    command = [sys.executable, "-I", "-S", "-c", ALONE, sysconfig.get_paths()["purelib"], *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found
