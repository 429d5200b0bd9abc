"""Data sets: reading, writing, checking and making them."""
