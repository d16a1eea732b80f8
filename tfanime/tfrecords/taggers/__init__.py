"""Taggers of the converter: what gives a face its tags."""
