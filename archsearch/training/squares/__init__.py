"""The training problem: misfits, limits, regularizers and priors, as sums of squares with their derivatives."""
