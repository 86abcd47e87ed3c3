"""Whom an https connection believes: one's own certificate, those that the environment names, or Mozilla's."""

from __future__ import annotations

import os
import ssl


def prepare(url: str) -> None:
    """Load what `trusted` needs, on the app's thread.

    Not by the thread that sends: libraries look for others in ``sys.modules``, and must not find half of one.
    """
    if url.startswith("https:"):
        from certifi import where  # noqa: PLC0415 - only for https

        where()


def trusted(url: str, certificate: str | None = None) -> ssl.SSLContext | None:
    """The authorities for an address; None where it is not https: reading them takes a while.

    Args:
        url: the address.
        certificate: a file with the only ones to believe.
    """
    if not url.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=certificate or _authorities())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _authorities() -> str | None:
    from certifi import where  # noqa: PLC0415 - only for https

    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    return None if named else where()  # what is named OpenSSL reads itself
