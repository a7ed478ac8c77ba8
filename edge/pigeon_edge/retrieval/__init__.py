"""Retrieval: the gallery of photographs with coordinates, and the refinements that search it."""
