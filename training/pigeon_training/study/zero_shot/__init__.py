"""Photographs against captions: no training."""
