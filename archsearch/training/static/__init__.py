"""The fit of a model without time."""
