"""The router's figures: durable, beside Debian's Alertmanager, which keeps what it accepts in memory."""
