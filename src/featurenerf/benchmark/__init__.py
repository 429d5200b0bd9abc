"""Experiments: declared matrices of methods, tasks, categories and seeds, run from one command into one report."""
