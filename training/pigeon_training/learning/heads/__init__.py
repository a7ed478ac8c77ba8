"""Linear heads on embeddings that are there already."""
