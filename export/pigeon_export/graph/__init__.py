"""The encoder as an ONNX graph: written by torch, and copies of it with something changed."""
