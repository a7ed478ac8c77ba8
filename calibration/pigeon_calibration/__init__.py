"""From a full-precision graph to INT8 and honest confidence, with a verdict on both."""
