"""Every kind of problem goes the whole way: space file, check, fit, prediction and score in the sandbox, export."""

from __future__ import annotations

import importlib.util
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from archsearch.candidate.candidate import Candidate
from archsearch.evaluation import Evaluator, Outcome
from archsearch.export.latex import latex_file
from archsearch.export.python import python_file
from archsearch.problem.loading import load_problem
from archsearch.problem.problem import Problem
from archsearch.settings import Limits, RunSettings

HEAD = "import torch\nfrom archsearch.hybrid import HybridModel, Net, Param\n\n\nclass Candidate(HybridModel):"
SETTINGS = RunSettings(limits=Limits(wall_seconds=120.0, memory_mb=2048))
TIMES = np.linspace(0, 4, 13)


@dataclass(frozen=True)
class Family:
    """A small problem of one kind.

    Attributes:
        space: the space file, without what all have.
        data: columns by name.
        source: the candidate.
        truth: parameters that its fit must find.
        error: validation nrmse that it must stay below: a few times the noise.
    """

    space: str
    data: dict[str, np.ndarray]
    source: str
    truth: dict[str, float]
    error: float


def noisy(values: np.ndarray, seed: int = 0, size: float = 0.01) -> np.ndarray:
    return values * (1 + size * np.random.default_rng(seed).standard_normal(values.shape))


def runs(count: int) -> dict[str, np.ndarray]:
    """The columns that tell trajectories and times."""
    return {"run": np.repeat(np.arange(count), len(TIMES)), "time": np.tile(TIMES, count)}


def acid() -> Family:
    """Index 1: dissociation of the acid is in equilibrium with its protons, which drive its decay."""

    def slope(_: float, x: np.ndarray) -> np.ndarray:
        protons = (np.sqrt(1.0 + 4.0 * x) - 1.0) / 2.0
        return -0.3 * protons * x

    starts = [0.5, 1.0, 1.5, 2.0, 3.0]
    solved = [solve_ivp(slope, (0, 4), [start], t_eval=TIMES, rtol=1e-10).y[0] for start in starts]
    return Family(
        '[[states]]\nname = "acid"\npositive = true\n',
        runs(5) | {"acid": noisy(np.concatenate(solved))},
        HEAD
        + """
    algebraic_variables = {"H": 0.5}
    acidity = Param(1.0, fixed=True)
    rate = Param(0.8, low=0.0, high=5.0)

    def rhs(self, t, x, u):
        return {"acid": -self.rate * x.H * x.acid}

    def algebraic(self, t, x, z, u):
        return {"dissociation": z.H * (z.H + self.acidity) - self.acidity * x.acid}
""",
        {"rate": 0.3},
        0.1,
    )


def detector() -> Family:
    """A reacts to B, which nobody measures, to C, of which a bent signal is measured; how it bends is learned."""
    starts = np.array([1.0, 1.5, 2.0, 2.5, 3.0])[:, None]
    a, b = starts * np.exp(-0.8 * TIMES), starts * 0.8 / 0.3 * (np.exp(-0.5 * TIMES) - np.exp(-0.8 * TIMES))
    c = starts - a - b + 0.1
    space = (
        '[[states]]\nname = "A"\n\n[[states]]\nname = "B"\nobserved = false\ninitial = 0.0\n\n[[states]]\nname = "C"\n'
    )
    return Family(
        space,
        runs(5) | {"A": noisy(a.ravel()), "C": noisy((c / (1.0 + 0.3 * c)).ravel(), 1)},
        HEAD
        + """
    first_rate = Param(0.5, low=0.0, high=5.0)
    second_rate = Param(0.5, fixed=True)
    detector = Net(inputs=("C",), role="scale", hidden=(4,), positive=True)

    def rhs(self, t, x, u):
        first, second = self.first_rate * x.A, self.second_rate * x.B
        return {"A": -first, "B": first - second, "C": second}

    def observe(self, t, x, u):
        return {"C": x.C * self.detector(x.C)}
""",
        {"first_rate": 0.8},
        0.1,
    )


def catalyst() -> Family:
    """Every run has a catalyst of its own age, and begins with what was weighed in."""
    age, mass = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), np.array([100.0, 50.0, 75.0, 60.0, 90.0, 80.0])
    left = (mass / 50.0)[:, None] * np.exp(-0.7 * np.exp(-0.4 * age)[:, None] * TIMES)
    columns = {"age": np.repeat(age, len(TIMES)), "mass": np.repeat(mass, len(TIMES))}
    return Family(
        '[[states]]\nname = "A"\n\n[[inputs]]\nname = "age"\n\n[[inputs]]\nname = "mass"\n',
        runs(6) | columns | {"A": noisy(left.ravel())},
        HEAD
        + """
    rate = Param(0.5, low=0.0, high=5.0)
    ageing = Param(0.1, low=0.0, high=5.0)

    def coefficients(self, c):
        return {"rate": self.rate * torch.exp(-self.ageing * c.age)}

    def initial(self, c):
        return {"A": c.mass / 50.0}

    def rhs(self, t, x, u):
        return {"A": -self.rate * x.A}
""",
        {"rate": 0.7, "ageing": 0.4},
        0.05,
    )


def limited() -> Family:
    """Substrate is used up; it never falls below 0, whatever a net makes of the last of it."""
    starts = np.array([1.0, 1.5, 2.0, 2.5, 3.0])[:, None]
    left = starts * np.exp(-0.6 * TIMES)
    return Family(
        '[[states]]\nname = "S"\n',
        runs(5) | {"S": np.abs(left.ravel() + 0.03 * np.random.default_rng(0).standard_normal(left.size))},
        HEAD
        + """
    uptake = Param(0.3, low=0.0, high=5.0)
    correction = Net(inputs=("S",), role="add", outputs=("S",), hidden=(4,))

    def rhs(self, t, x, u):
        return {"S": -self.uptake * x.S + self.correction(x.S)}

    def limits(self, t, x, u):
        return {"substrate": x.S}
""",
        {},
        0.2,
    )


def stiff() -> Family:
    """A fast intermediate, four orders of magnitude faster than what is followed."""
    starts = np.array([1.0, 1.5, 2.0, 2.5, 3.0])[:, None]
    slow = starts * np.exp(-0.5 * TIMES)
    return Family(
        '[[states]]\nname = "x"\n\n[[states]]\nname = "y"\n',
        runs(5) | {"x": noisy((slow / (1 - 0.5e-4)).ravel(), 1), "y": noisy(slow.ravel())},
        HEAD
        + """
    fast = Param(1e4, fixed=True)
    slow = Param(0.2, low=0.0, high=5.0)

    def rhs(self, t, x, u):
        return {"x": self.fast * (x.y - x.x), "y": -self.slow * x.y}
""",
        {"slow": 0.5},
        0.05,
    )


def uptake() -> Family:
    """A static problem: Langmuir's law."""
    generator = np.random.default_rng(0)
    pressure, temperature = generator.uniform(0.1, 8, 60), generator.uniform(280, 320, 60)
    affinity = 0.5 * np.exp(1000.0 * (1 / temperature - 1 / 300.0))
    columns = {"pressure": pressure, "temperature": temperature}
    return Family(
        '[[states]]\nname = "uptake"\n\n[[inputs]]\nname = "pressure"\n\n[[inputs]]\nname = "temperature"\n',
        columns | {"uptake": noisy(4.0 * affinity * pressure / (1 + affinity * pressure))},
        HEAD
        + """
    saturation = Param(2.0, low=0.1, high=20.0)
    affinity = Param(1.0, low=0.0, high=10.0)
    excess = Net(inputs=("temperature",), role="scale", hidden=(4,), positive=True)

    def output(self, x, u):
        affinity = self.affinity * self.excess(x.temperature)
        return {"uptake": self.saturation * affinity * u.pressure / (1 + affinity * u.pressure)}
""",
        {"saturation": 4.0},
        0.05,
    )


FAMILIES = {made.__name__: made for made in (acid, detector, catalyst, limited, stiff, uptake)}


@dataclass(frozen=True)
class Done:
    """A family after an evaluation, exported."""

    family: Family
    problem: Problem
    outcome: Outcome
    module: ModuleType


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Each family, written down, evaluated in the sandbox and exported, once for all that is asked of it."""
    family = FAMILIES[request.param]()
    problem = load_problem(str(written(family, tmp_path_factory.mktemp(request.param))))
    with closing(Evaluator(problem, SETTINGS)) as evaluator:
        outcome = evaluator.evaluate(Candidate(family.source, "person"), 0)
    assert outcome.evaluation.failure is None, (outcome.evaluation.failure, outcome.log)
    return Done(family, problem, outcome, exported(problem, outcome, family, tmp_path_factory.mktemp("exported")))


def written(family: Family, folder: Path) -> Path:
    """The space file and its data in a folder."""
    static = "time" not in family.data
    table = "\n".join(",".join(map(repr, map(float, row))) for row in zip(*family.data.values(), strict=True))
    (folder / "data.csv").write_text(f"{','.join(family.data)}\n{table}\n")
    kind = 'kind = "static"\n' if static else ""
    trajectory = "" if static else 'trajectory = "run"\n'
    head = f'[problem]\ntitle = "A family"\n{kind}\n[data]\nfile = "data.csv"\n{trajectory}\n'
    (folder / "space.toml").write_text(f'{head}[split]\nby = "trajectory"\nvalidation = 0.2\n\n{family.space}')
    return folder


def exported(problem: Problem, outcome: Outcome, family: Family, folder: Path) -> ModuleType:
    path = folder / f"{problem.name}.py"
    path.write_text(python_file(problem, outcome.evaluation, family.source, outcome.weights), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"exported_{problem.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_fit_finds_the_truth_and_predicts_what_was_held_out(done: Done) -> None:
    for name, value in done.family.truth.items():
        found = done.outcome.evaluation.parameters[name]
        assert found.value == pytest.approx(value, rel=0.05), name
    assert done.outcome.evaluation.error < done.family.error


def test_what_is_exported_is_what_was_scored(done: Done) -> None:
    predicted = done.outcome.predictions["train.states"]
    if done.problem.space.is_static:
        outputs = done.module.predict(done.module.TRAINING)
        np.testing.assert_allclose(outputs["uptake"].numpy(), predicted[:, 0, 0], rtol=1e-8)
        return
    for row, name in enumerate(done.problem.train.trajectories.ids):
        case = done.module.TRAINING[name]
        states = done.module.simulate(case["times"], case["initial"], case["inputs"])
        ours = predicted[row, : len(case["times"])]
        found = torch.stack([states[state] for state in done.module.STATES], -1).numpy()
        np.testing.assert_allclose(found, ours, rtol=1e-7, atol=1e-8 * np.abs(ours).max())


def test_equations_are_typeset(done: Done) -> None:
    text = latex_file(done.problem, done.outcome.evaluation, done.family.source)
    assert text.count("&=") + text.count(r"&\geq") == len(done.module.EQUATIONS)
