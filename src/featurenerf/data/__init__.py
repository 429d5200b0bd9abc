"""Data sets: opening, reading, checking and packing them."""
