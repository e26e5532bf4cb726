"""A cup also radiates: the law of Stefan and Boltzmann stands beside that of Newton."""

from archsearch.hybrid import HybridModel, Param


class Candidate(HybridModel):
    transfer = Param(0.02, low=0.0, high=1.0, unit="1/min")
    emission = Param(1e-10, low=0.0, high=1e-8, unit="1/min/K**3")

    def rhs(self, t, x, u):
        convection = self.term("convection", self.transfer * (x.T - u.room))
        radiation = self.term("radiation", self.emission * (x.T**4 - u.room**4))
        return {"T": -convection - radiation}
