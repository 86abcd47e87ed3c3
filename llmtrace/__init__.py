"""Tracing for LLM applications, from the span to the person."""

__version__ = "0.1.0.dev0"
