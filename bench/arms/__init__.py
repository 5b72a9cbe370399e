"""The arms of experiments: one file each, behind the seam in `types.py`."""
