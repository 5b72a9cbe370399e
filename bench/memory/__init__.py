"""What memory costs and what it finds, beside mem0, LangGraph's store and bare Chroma, in one run.

`python -m bench.memory` is the command; only it and tests import this. The rivals run as child
processes in an environment of their own (`rivals.txt`), so nothing of them is a dependency.
"""
