"""The fit of a model whose state is a field on a grid."""
