"""What the agent can do: code that it wrote, its sandbox, its trials, its library; tools for chat.

Imports memory and envs/types; calls no model. Another sandbox plugs in behind Sandbox.
"""
