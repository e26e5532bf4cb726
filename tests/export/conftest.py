"""What every exported candidate is, and what it computes by itself."""

from __future__ import annotations

import pytest
from exported_candidates import SOURCES, Exported, export, run_alone


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Every candidate of `SOURCES`, exported."""
    folder = tmp_path_factory.mktemp("exported")
    return {name: export(name, folder) for name in SOURCES}


@pytest.fixture(scope="session")
def alone(exported: dict[str, Exported]) -> dict[str, dict[str, object]]:
    """What every exported file computes and prints by itself, by name."""
    found = run_alone([item.path for item in exported.values()])
    return {name: found[str(item.path)] for name, item in exported.items()}
