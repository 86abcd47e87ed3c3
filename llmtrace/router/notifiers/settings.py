"""What settings of notifiers share: addresses that may be called, and secrets that stand in a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr

from llmtrace.router.config.strict import wrong
from llmtrace.router.notifiers.address import is_surely_private


def check_goes_out(url: str, key: str, *, allow_private: bool) -> None:
    """A URL that a notifier calls is public and encrypted, unless private ones are allowed.

    Raises:
        PydanticCustomError: with what is allowed.
    """
    if allow_private:
        return
    address = urlsplit(url)
    if is_surely_private(address.hostname or ""):
        raise wrong("a private address; allowed: a public one, or allow_private: true beside it", key=key)
    if address.scheme != "https":
        raise wrong("not encrypted; allowed: https://..., or allow_private: true beside it", key=key)


def secret_of(value: SecretStr | None, file: SecretStr | None, name: str) -> str:
    """The secret itself, from the setting or from the file that ``<name>_file`` names.

    Raises:
        PydanticCustomError: neither or both are set, or the file cannot be read.
    """
    if (value is None) is (file is None):
        raise wrong(f"needs one of {name} and {name}_file", key=name)
    return value.get_secret_value() if value is not None else str(file.get_secret_value() if file is not None else "")


def _from_file(value: Any) -> SecretStr:
    try:
        text = Path(str(value)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(
            f"no file that can be read ({type(error).__name__}); allowed: a file that holds the secret"
        ) from error
    if not text:
        raise wrong("an empty file; allowed: a file that holds the secret")
    return SecretStr(text)


SecretFile = Annotated[SecretStr, BeforeValidator(_from_file)]
