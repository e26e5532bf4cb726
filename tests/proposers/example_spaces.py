"""The search spaces that the worked examples of the prompts are written for."""

from __future__ import annotations

from archsearch.problem.space import (
    DataTable,
    Input,
    LibraryTerm,
    Parameter,
    ProblemTable,
    SearchSpace,
    SplitTable,
    State,
    Term,
)

COOLING = SearchSpace(
    problem=ProblemTable(title="A cup of tea", time_unit="min"),
    data=DataTable(file="data.csv"),
    split=SplitTable(),
    states=(State(name="T", unit="K"),),
    inputs=(Input(name="room", unit="K"),),
    parameters=(
        Parameter(name="transfer", value=0.02, low=0.0, high=1.0, unit="1/min"),
        Parameter(name="emission", value=1e-10, low=0.0, high=1e-8, unit="1/min/K**3"),
    ),
    terms=(Term(name="convection", expression="transfer * (T - room)", equations={"T": "-"}, trust="suspect"),),
    library=(LibraryTerm(name="radiation", expression="emission * (T**4 - room**4)", equations={"T": "-"}),),
)
TANK = SearchSpace(
    problem=ProblemTable(title="A tank", time_unit="min"),
    data=DataTable(file="data.csv"),
    split=SplitTable(),
    states=(State(name="h", unit="m"),),
    inputs=(Input(name="pump", unit="m**3/min"), Input(name="wind", unit="m/min")),
    parameters=(
        Parameter(name="area", value=2.0, fixed=True, unit="m**2"),
        Parameter(name="conductance", value=0.05, low=0.0, high=1.0, unit="m**2/min"),
        Parameter(name="evaporation_rate", value=0.001, low=0.0, high=0.1, unit="1"),
        Parameter(name="loss", value=0.001, low=0.0, high=0.1, unit="m/min"),
    ),
    terms=(
        Term(name="inflow", expression="pump / area", equations={"h": "+"}),
        Term(name="outflow", expression="conductance * h / area", equations={"h": "-"}, trust="suspect"),
        Term(name="evaporation", expression="loss", equations={"h": "-"}, trust="suspect"),
    ),
    library=(LibraryTerm(name="evaporation_by_wind", expression="evaporation_rate * wind", replaces="evaporation"),),
)
SPACES = {"white_box": COOLING, "with_net": TANK}
