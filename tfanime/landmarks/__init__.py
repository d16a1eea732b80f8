"""Landmarks: points of a face, the small network that finds them, and the files that hold its weights and its card."""
