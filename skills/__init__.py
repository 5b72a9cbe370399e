"""What the agent can do: the sandbox that runs code, and the tools built on it. Imports memory
and envs/types; calls no model. Another sandbox plugs in behind Sandbox.
"""
