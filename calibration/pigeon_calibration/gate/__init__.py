"""The verdict on an int8 graph."""
