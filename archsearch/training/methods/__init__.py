"""Ways to solve it, their order, and what to do when they fail."""
