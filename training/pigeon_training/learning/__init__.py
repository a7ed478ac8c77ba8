"""From embeddings or photographs to trained weights."""
