"""TensorRT's rules for graphs."""
