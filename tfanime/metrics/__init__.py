"""Numbers that judge pictures by their features: arrays -> numbers, in float64, knowing no network."""
