"""Experiments and speed. Imports every room; only the command line imports it, late."""
