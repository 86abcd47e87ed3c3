"""Other people's instrumentation, switched on for you: thin, and imported only where it is asked for."""
