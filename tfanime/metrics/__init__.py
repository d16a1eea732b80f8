"""Metrics of pictures, listed in `registry`: functions of arrays, in float64, which know no network."""
