"""From verified trajectories to training rows. Imports memory and envs/types; calls no model. A
new recipe is one small file.
"""
