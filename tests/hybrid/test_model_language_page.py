"""Every block of docs/model_language.md runs, gives what the page says, and passes the static check."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from archsearch.candidate.check import check
from archsearch.hybrid import HybridModel, load_candidate
from archsearch.problem.space import SearchSpace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "model_language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CANDIDATES = [block for block in BLOCKS if "class Candidate" in block]
USES = [block for block in BLOCKS if "class Candidate" not in block]


def run(block: str, names: dict[str, Any]) -> int:
    """Execute a block; compare what its lines give with what stands behind `# ->`. How many were compared."""
    claims = 0
    for statement in ast.parse(block).body:
        source = "\n".join(block.split("\n")[statement.lineno - 1 : statement.end_lineno])
        said = re.search(r"  # -> (.+)$", source)
        if said is None:
            exec(source, names)
            continue
        claims += 1
        found, expected = flat(eval(source, names)), flat(ast.literal_eval(said[1]))
        assert len(found) == len(expected), source
        for one, other in zip(found, expected, strict=True):
            assert one == (other if isinstance(other, str | bool) else pytest.approx(other, rel=1e-9, abs=1e-12)), (
                source
            )
    return claims


def flat(value: Any) -> list[Any]:
    return [part for item in value for part in flat(item)] if isinstance(value, list | tuple) else [value]


def test_the_page_has_a_candidate_and_its_use_for_every_family():
    assert len(CANDIDATES) == len(USES) == 7
    methods = ("rhs", "observe", "algebraic", "limits", "coefficients", "initial", "output")
    assert all(any(f"def {name}(" in block for block in CANDIDATES) for name in methods)


@pytest.mark.parametrize("index", range(len(CANDIDATES)))
def test_a_candidate_of_the_page_gives_what_is_said_and_passes_the_check(index):
    names: dict[str, Any] = {"Candidate": load_candidate(CANDIDATES[index])}
    exec("import torch", names)
    assert run(USES[index], names) >= 2 or index == len(CANDIDATES) - 1
    model = names["model"]
    assert isinstance(model, HybridModel)
    assert check(CANDIDATES[index], space_of(model, "laplacian(" in CANDIDATES[index])) == []


def space_of(model: HybridModel, on_a_grid: bool) -> SearchSpace:
    grid = {"grid": {"boundary": "neumann"}, "axes": [{"name": "depth", "spacing": 0.1}]} if on_a_grid else {}
    tables = {key: [{"name": name} for name in getattr(model, key)] for key in ("states", "inputs")}
    return SearchSpace.model_validate(
        {"problem": {"title": "Page"}, "data": {"file": "data.csv"}, "split": {}, **grid, **tables}
    )


def test_links_of_the_page_lead_somewhere():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        assert not file or (ROOT / "docs" / file).is_file(), target
        assert not anchor or anchor in headings, target
