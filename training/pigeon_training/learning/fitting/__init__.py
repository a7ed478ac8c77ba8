"""Training a vision tower with its heads: from nothing, or further."""
