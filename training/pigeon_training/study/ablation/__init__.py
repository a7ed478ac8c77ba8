"""What each contribution of PIGEON buys, on the procedural planet, beside what was published."""
