"""A support bot that answers questions about llmtrace's own documentation, and the demo around it.

Read `service.py` and `agent.py` to learn llmtrace; run `make demo` to see what it is for.
"""
