"""TensorRT engines: which library builds and runs them, what they are valid for, and where they are kept."""
