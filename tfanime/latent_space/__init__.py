"""What can be done with a trained generator's latent space: mix avatars, move between them, find directions, search."""
