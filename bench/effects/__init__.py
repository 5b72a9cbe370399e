"""Does measuring a lesson's effect work? Worlds whose effects are known, and rules that judge.

`scenarios` makes the worlds, `rivals` holds the rules of other memories, `simulate` plays them all
and prints the table of `docs/effects.md`; `rates` measures what the worlds take from real tasks.
Only the command line and tests import it; a new world or rule is one more entry in its registry.
"""
