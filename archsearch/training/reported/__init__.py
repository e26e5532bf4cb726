"""Rollouts whose numbers are reported: to tight tolerances."""
