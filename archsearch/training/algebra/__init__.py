"""Linear algebra and minimisers that know nothing of models."""
