"""Photographs with coordinates: manifests, geography, shards, streams, tasks."""
