"""Which parts of a photograph speak for a geocell."""
