"""Sources of pictures and their words: folders, sidecars, metadata files, drawn avatars."""
