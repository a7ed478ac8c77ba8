"""Bundles: the format, its parts read, its gallery written."""
