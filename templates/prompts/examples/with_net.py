"""How fast a tank empties is learned: no flow from an empty tank, and more from a fuller one."""

from archsearch.hybrid import HybridModel, Net, Param


class Candidate(HybridModel):
    area = Param(2.0, fixed=True, unit="m**2")
    conductance = Param(0.05, low=0.0, high=1.0, unit="m**2/min")
    outlet = Net(inputs=("h",), role="replace", hidden=(8,), monotone={"h": "+"}, zero_at={"h": 0.0})
    replaced = {"evaporation": "evaporation_by_wind"}
    evaporation_rate = Param(0.001, low=0.0, high=0.1, unit="1")

    def rhs(self, t, x, u):
        inflow = self.term("inflow", u.pump / self.area)
        linear = self.term("outflow", self.conductance * x.h / self.area)
        outflow = self.outlet(x.h, instead_of=linear)
        evaporation = self.term("evaporation_by_wind", self.evaporation_rate * u.wind)
        return {"h": inflow - outflow - evaporation}
