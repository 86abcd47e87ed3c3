"""The HTTP side: what the router takes in, and what it lets be read. Starlette; no logic of its own."""
