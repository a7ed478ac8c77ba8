"""Photographs: files found, decoded, coloured and brought to the side that the encoder takes."""
