"""Networks. They know no loss; `tfanime.training` trains any of them, or a user's own."""
