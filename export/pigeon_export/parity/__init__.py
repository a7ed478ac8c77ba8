"""How near graphs are to their reference."""
