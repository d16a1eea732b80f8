"""The tagger that tfanime carries: its network, and the files that hold its weights and its card."""
