"""Photographs to embeddings, once: what embeds, and the folder that keeps them."""
