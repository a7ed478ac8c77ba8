"""Events: what is told of one photograph or frame, and summaries of many."""
