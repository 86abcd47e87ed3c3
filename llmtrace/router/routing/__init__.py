"""Routing: which route an alert takes, and how loudly it is told. Pure."""
