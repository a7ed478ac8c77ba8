"""From a model to a graph that engines run fast, and from its parts to a bundle."""
