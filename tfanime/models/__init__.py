"""Stage 3: networks. They know no loss; any of them, or a user's own, plays any game of `tfanime.training`."""
