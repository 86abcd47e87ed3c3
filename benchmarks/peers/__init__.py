"""The peers, each as it would be used: a file a peer, with `cases()` and `REQUIREMENTS`."""
