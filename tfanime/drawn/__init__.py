"""Avatars that are drawn by rule: a data set without pictures, and test pictures whose tags are known exactly."""
