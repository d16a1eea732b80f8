"""Stage 4: what trained generators are worth, by one protocol that travels with the numbers."""
