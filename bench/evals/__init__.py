"""Evaluations of single abilities, on sets that a seeded program makes; nothing learns there."""
