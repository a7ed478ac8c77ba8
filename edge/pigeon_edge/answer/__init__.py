"""From an encoding to an estimate: geocells, confidence, environment. Knows no bundle and no file but its settings."""
