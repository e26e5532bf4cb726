"""One candidate for each kind of problem, with weights, data, and the prediction that its export must reproduce."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from exported_candidates import ALONE, record
from safetensors.torch import save
from torch import Tensor

from archsearch.candidate.outcome import FittedParameter
from archsearch.export.python import python_file
from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.problem import Part, Problem
from archsearch.problem.space import DataTable, Input, ProblemTable, SearchSpace, SplitTable, State
from archsearch.problem.trajectories import Trajectories
from archsearch.settings import FitSettings
from archsearch.training.data.task import Task, samples_given
from archsearch.training.predict import predict

HEADER = "import torch\nfrom archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):"


@dataclass(frozen=True)
class Family:
    """A candidate with where its trajectories start and what drives them."""

    source: str
    states: tuple[State, ...]
    inputs: dict[str, list[float]]
    starts: list[list[float]]
    times: list[float]
    stiff: bool = False


TANKS = Family(
    HEADER
    + """
    algebraic_variables = {"u1": 0.0, "u2": 0.0}
    inflow = Param(0.2, low=0.01, high=1.0)
    outflow = Param(0.1, low=0.01, high=1.0)
    leak = Param(0.1, fixed=True)

    def rhs(self, t, x, u):
        u0 = self.inflow * x.x0 * x.x3
        u3 = self.outflow * torch.sqrt(x.x0)
        u4 = self.leak * torch.sqrt(x.x2)
        return {"x0": (x.u1 - u3) / 0.1, "x1": x.u2 / 0.5, "x2": (u3 - u4) / 2.0, "x3": (u4 - u0) / 10.0}

    def algebraic(self, t, x, z, u):
        return {"split": self.inflow * x.x0 * x.x3 - z.u1 - z.u2, "level": x.x0 - x.x1}
""",
    tuple(State(name=name) for name in ("x0", "x1", "x2", "x3")),
    {},
    [[2.8, 2.8, 1.7, 0.4], [1.5, 1.5, 0.8, 1.0]],
    [0.0, 10.0, 20.0, 50.0, 100.0, 200.0],
)
"""Index 2: the level says nothing of u1 and u2 at any one instant."""

ACID = Family(
    HEADER
    + """
    algebraic_variables = {"H": 0.5}
    acidity = Param(1.0, low=0.01, high=10.0, unit="mol/L")
    rate = Param(0.3, low=0.0, high=5.0, unit="L/mol/h")
    drive = Net(inputs=("H", "acid"), role="scale", hidden=(8,), positive=True)

    def _factor(self, x, power=1):
        return self.rate * x.H**power

    def rhs(self, t, x, u):
        return {"acid": u.feed - self._factor(x) * x.acid * self.drive(x.H, x.acid)}

    def algebraic(self, t, x, z, u):
        return {"dissociation": z.H * (z.H + self.acidity) - self.acidity * x.acid}

    def observe(self, t, x, u):
        return {"acid": torch.log1p(x.acid) + 0.1 * x.H}

    def limits(self, t, x, u):
        return {"weak": 0.9 - x.H, "little fed": 0.2 - u.feed}
""",
    (State(name="acid", scale="log", positive=True),),
    {"feed": [0.0, 0.3, 0.1, 0.0, 0.0]},
    [[2.0], [0.5]],
    [0.0, 1.0, 2.0, 4.0, 5.0],
)
"""Index 1, measured through a bent detector, with limits."""

DETECTOR = Family(
    HEADER
    + """
    first_rate = Param(0.8, low=0.0, high=5.0, unit="1/min")
    second_rate = Param(0.5, low=0.0, high=5.0, unit="1/min")
    detector = Net(inputs=("C",), role="scale", hidden=(8,), positive=True)

    def rhs(self, t, x, u):
        first = self.term("first", self.first_rate * x.A)
        second = self.term("second", self.second_rate * x.B)
        return {"A": -first, "B": first - second, "C": second}

    def observe(self, t, x, u):
        return {"C": x.C * self.detector(x.C)}
""",
    (State(name="A"), State(name="B", observed=False, initial=0.0), State(name="C")),
    {},
    [[1.0, 0.0, 0.1], [2.0, 0.0, 0.0]],
    [0.0, 0.5, 1.0, 3.0],
)

CATALYST = Family(
    HEADER
    + """
    rate = Param(0.5, low=0.0, high=5.0, unit="1/h")
    molar_mass = Param(50.0, fixed=True, unit="g/mol")
    activity = Net(inputs=("age",), role="scale", positive=True, monotone={"age": "-"})

    def _slowed(self, amount, by=1.0):
        return by * self.rate * amount

    def coefficients(self, c):
        return {"rate": self.rate * self.activity(c.age)}

    def initial(self, c):
        return {"A": c.mass / self.molar_mass}

    def rhs(self, t, x, u):
        reaction = self.term("reaction", self._slowed(x.A, by=1.0 + 0.1 * torch.sin(t)))
        return {"A": -reaction, "P": reaction}

    def limits(self, t, x, u):
        return {"pure": 0.5 - self.rate * x.P}
""",
    (State(name="A"), State(name="P")),
    {"age": [2.0] * 4, "mass": [100.0] * 4},
    [[2.0, 0.0], [2.0, 0.3]],
    [0.0, 1.0, 2.0, 5.0],
)

STIFF = Family(
    HEADER
    + """
    slow = Param(0.04, low=0.001, high=1.0)

    def rhs(self, t, x, u):
        first, second, third = self.slow * x.a, 3e7 * x.b**2, 1e4 * x.b * x.c
        return {"a": third - first, "b": first - second - third, "c": second}
""",
    tuple(State(name=name) for name in ("a", "b", "c")),
    {},
    [[1.0, 0.0, 0.0], [0.9, 0.0, 0.1]],
    [0.0, 0.4, 4.0, 40.0],
    stiff=True,
)
"""Robertson's reaction."""

UPTAKE = Family(
    HEADER
    + """
    saturation = Param(4.0, low=0.1, high=20.0, unit="mol/kg")
    affinity = Param(0.5, low=0.0, high=10.0, unit="1/bar")
    heat = Param(1000.0, low=0.0, high=5000.0, unit="K")
    excess = Net(inputs=("pressure", "temperature"), role="add", outputs=("uptake",))

    def output(self, x, u):
        affinity = self.affinity * torch.exp(self.heat * (1 / x.temperature - 1 / 300.0))
        langmuir = self.saturation * affinity * u.pressure / (1 + affinity * u.pressure)
        return {"uptake": self.term("langmuir", langmuir) + self.excess(u.pressure, x.temperature)}
""",
    (State(name="uptake"),),
    {"pressure": [1.0, 2.0, 6.0], "temperature": [300.0, 310.0, 290.0]},
    [[1.0], [1.0]],
    [0.0, 1.0, 2.0],
)

FAMILIES = {
    "tanks": TANKS,
    "acid": ACID,
    "detector": DETECTOR,
    "catalyst": CATALYST,
    "stiff": STIFF,
    "uptake": UPTAKE,
}


@dataclass(frozen=True)
class ExportedFamily:
    """An exported candidate, as a module, with our own prediction of its training data."""

    path: Path
    module: ModuleType
    found: dict[str, Tensor]


def problem_of(family: Family) -> Problem:
    """Two trajectories; what was measured is not told, since nothing is fitted here."""
    shape = (len(family.starts), len(family.times))
    inputs = np.array([list(family.inputs.values())] * shape[0]).reshape(shape[0], -1, shape[1])
    data = Trajectories(
        ids=("a", "b"),
        times=np.broadcast_to(family.times, shape).copy(),
        states=np.ones((*shape, len(family.states))),
        inputs=np.ascontiguousarray(inputs.transpose(0, 2, 1)),
        lengths=np.full(shape[0], shape[1]),
    )
    part = Part(data, data.valid, data.valid, "first")
    space = SearchSpace(
        problem=ProblemTable(title="A family"),
        data=DataTable(file="data.csv"),
        split=SplitTable(),
        states=family.states,
        inputs=tuple(Input(name=name) for name in family.inputs),
    )
    return Problem(space, Path(), "family", part, part, None, np.ones(len(family.states)), "f" * 64)


def built(family: Family) -> HybridModel:
    """The candidate with nets that do something."""
    names = tuple(state.name for state in family.states)
    model = load_candidate(family.source)(names, tuple(family.inputs), generator=torch.Generator().manual_seed(5))
    x = torch.rand(20, len(names), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.2
    columns = [torch.linspace(min(values), max(values) + 1.0, 20) for values in family.inputs.values()]
    u = torch.stack(columns, -1).double() if columns else torch.zeros(20, 0)
    model.calibrate(torch.linspace(0, 1, 20), x, u, torch.full((len(names),), 0.1))
    return model


def export_family(name: str, folder: Path) -> ExportedFamily:
    """Export a family, and predict its training data the way that a search does."""
    family = FAMILIES[name]
    problem, model = problem_of(family), built(family)
    starts = torch.tensor(family.starts, dtype=torch.float64)
    arrays = model.state_arrays() | {"initial": starts.mean(0), "initial.a": starts[0], "initial.b": starts[1]}
    arrays |= {"training.scale": torch.ones(len(family.states), dtype=torch.float64)}
    arrays |= {"training.stiff": torch.tensor([float(family.stiff)], dtype=torch.float64)}
    fitted = {
        key: FittedParameter(value=value.item(), unit="1", low=None, high=None, identified=True)
        for key, value in model.parameter_values().items()
    }
    weights = save({key: array.contiguous().clone() for key, array in arrays.items()})
    text = python_file(problem, record(family.source, fitted), family.source, weights)
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    task = Task(family.states, tuple(family.inputs), samples_given(problem.train), "fitted", FitSettings(), 0)
    return ExportedFamily(path, _module(path), predict(model, arrays, {"test": task})["test"])


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def run_family_alone(paths: list[Path]) -> dict[str, str]:
    """What exported files print in an interpreter that has torch, and nothing of ours to import."""
    command = [sys.executable, "-I", "-S", "-c", PRINTED, sysconfig.get_paths()["purelib"], *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


PRINTED = (
    ALONE[: ALONE.index("    cases =")]
    + """
    found[path] = printed.getvalue()
assert not any(name.startswith("archsearch") for name in sys.modules)
print(json.dumps(found))
"""
)
