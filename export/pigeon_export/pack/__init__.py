"""The parts of a bundle, gathered and sealed."""
