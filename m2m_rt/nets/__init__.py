"""Torch networks, their training and their export to ONNX; never in a real-time process."""
