"""Intake: one file a source; each turns what it is sent into alerts, and answers in the source's own protocol."""
