"""Where tasks come from and how they are scored. Imports no other room; all rooms may import it.
A new environment is one file that passes check.py.
"""
