"""Model files: weights with the card that says what they need and what they are good for."""
