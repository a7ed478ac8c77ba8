"""The TensorRT runtime: engines, their keys and cache, the GPU that runs them."""
