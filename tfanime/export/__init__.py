"""Exports a trained generator as a SavedModel that TensorFlow Serving loads.

Run as `python -m tfanime.export RUN OUT_DIR`; every call writes the next version, `OUT_DIR/1`, `OUT_DIR/2` ...
`saved_model` writes it, with the endpoints of `signatures` and the requests of `warmup`; `onnx` the network alone.
"""

from tfanime.export.saved_model import export, export_generator

__all__ = ["export", "export_generator"]
