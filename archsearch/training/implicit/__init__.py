"""The same for stiff equations and for algebraic ones: Radau IIA."""
