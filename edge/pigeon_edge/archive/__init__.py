"""Archives of photographs: finding them, locating them in batches, writing what was found. Originals are only read."""
