"""Writers of lessons that look at several runs at once, and those that write during a run.

Each is one published mechanism, off unless chosen. May be imported by the command line and the
laboratory; plugs in by `PROPOSERS` in `registry.py`, or by name in `learning.use`.
"""
