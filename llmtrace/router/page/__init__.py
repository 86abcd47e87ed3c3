"""The page at ``/``: what is open, what came in and why, one incident whole; people acknowledge and silence here.

Rendered on the server, small, with nothing from elsewhere. Without JavaScript all of it works; with it, it stays fresh.
"""
