"""Meshes: reading files and catalogues of them, rendering them."""
