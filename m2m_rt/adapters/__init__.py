"""What m2m_rt touches: LSL, the bus, files, clocks, ONNX Runtime, the host.

Nothing is re-exported: a process imports the adapters that it uses and no other.
"""
