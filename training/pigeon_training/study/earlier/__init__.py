"""Earlier systems of photo geolocation, on the same embeddings as ours: what a geocell model has to beat."""
