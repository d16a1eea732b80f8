"""Where pictures and their words come from: folders, sidecars, metadata files, drawn avatars."""
