"""Does memory keep what it acknowledged when processes are killed and files are damaged?

`writers` work on one memory and say what has returned, `killer` ends them at random moments, and
`audit` looks at what they left; `damage` breaks files byte by byte; `liars` break the promises, to
show that the audit would tell. `python -m bench.faults --kills 1000 --page docs/faults.md` plays
them and writes the page and its log.
"""
