"""Thinking over: second looks before an answer counts, kinds of advice after a failure, and what
becomes of advice that was followed. One mechanism a file; none is on unless chosen.
"""
