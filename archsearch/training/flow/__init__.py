"""How a model moves its states, and how they answer to parameters, weights and where they start."""
