"""Avatars drawn by rule: a data set that needs no pictures, and test pictures whose tags are known exactly."""
