"""Model files: weights, and the card that says what they need and what they are good for."""
