"""The only room that calls a language model: models, the graph, its three nodes, the runner.
Imports skills, distill, memory, envs; server and bench import it.
"""
