"""Programs that use llmtrace, each to be read and run."""
