"""What the agent remembers: the ledger (SQLite, the only truth), the index (derived), recall.
Imports envs/types and envs/errors only; calls no model. Another vector store plugs in behind
Index, another encoder behind Embedder.
"""
