"""Numbers that judge pictures, listed in `registry`: functions of arrays, in float64, that know no network."""
