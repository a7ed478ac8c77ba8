"""Geocells: the classes of the geocell head."""
