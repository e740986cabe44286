"""Attached houses, one by one: where a network sees that buildings meet, one region of them is cut into houses."""
