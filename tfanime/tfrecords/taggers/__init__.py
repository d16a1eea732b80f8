"""Taggers of the converter."""
