"""The vision tower and its heads: read, made, written."""
