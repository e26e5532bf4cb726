"""How people see what the data call a column, a state or a trajectory."""

from __future__ import annotations


def axis_label(name: str, unit: str) -> str:
    """A name with its unit, if it has one."""
    return name if unit in ("1", "-") else f"{name} [{unit}]"


def trajectory_label(cell: object) -> str:
    """The id of a trajectory as text; whole numbers without a decimal point."""
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell).strip()
