"""Public weights to a bundle."""
