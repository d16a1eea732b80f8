"""Evaluates trained generators by one protocol, which is stored with the numbers."""
