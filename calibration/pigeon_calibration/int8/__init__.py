"""From a full-precision graph to an int8 one."""
