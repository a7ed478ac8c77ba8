"""Manifests as tables: published data sets brought into one form, bad rows counted, overlap with benchmarks found."""
