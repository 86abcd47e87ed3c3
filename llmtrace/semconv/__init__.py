"""The words that both halves share: attribute keys, event names, severities. Data only: no SDK, no I/O."""
