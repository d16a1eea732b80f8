"""Tools for a trained generator's latent space: mixing, films, directions and projection."""
