"""Data: reading, making and checking collections of pictures with cameras."""
