"""From an ended span to the wire: the pipeline, OTLP encoding, delivery to a backend, the branch to the router."""
