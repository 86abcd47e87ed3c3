"""Settings that several notifiers share: how one enters an API with a credential, and where the API is."""

from __future__ import annotations

import base64
import re
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from llmtrace.router.config.schema import Url
from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.notifiers.settings import SecretFile, check_goes_out, secret_of

_NAME: Final = re.compile(r"[a-z0-9-]{1,63}")


class Outgoing(Strict):
    """What is called, if not the API's own address."""

    url: Annotated[Url | None, Field(repr=False)] = Field(
        default=None, description="another address, such as a proxy's, in place of the API's own"
    )
    allow_private: bool = Field(default=False, description="the address may be private, and without TLS")


class Keyed(Outgoing):
    """One API for everybody, and a credential in a setting or in the file that ``<setting>_file`` names."""

    credential: ClassVar[str]
    """The name of the setting."""
    _key: str = PrivateAttr("")

    @model_validator(mode="after")
    def _enters(self) -> Self:
        name = self.credential
        self._key = secret_of(getattr(self, name), getattr(self, f"{name}_file"), name)
        if self.url is not None:
            check_goes_out(self.url, "url", allow_private=self.allow_private)
        return self

    @property
    def key(self) -> str:
        """The credential, wherever it stood."""
        return self._key

    def at(self, home: str) -> str:
        """The address without a slash at its end; ``home`` is the API's own."""
        return (self.url or home).rstrip("/")


class Tenant(Outgoing):
    """An API of the customer's own, at ``https://NAME.<domain>`` or under another name."""

    named: ClassVar[str]
    """The setting that holds the name."""
    domain: ClassVar[str]

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        name = getattr(self, self.named)
        if (name is None) is (self.url is None):
            raise wrong(f"needs one of {self.named} and url", key=self.named)
        if name is not None and not _NAME.fullmatch(name):
            raise wrong(f"no {self.named}; allowed: its name in https://NAME.{self.domain}", key=self.named)
        check_goes_out(self.base, "url", allow_private=self.allow_private)
        return self

    @property
    def base(self) -> str:
        """Where it is."""
        return (self.url or f"https://{getattr(self, self.named)}.{self.domain}").rstrip("/")


class Posting(Strict):
    """An address to post to that is the credential itself, and never shown."""

    webhook_url: Annotated[Url | None, Field(repr=False)] = Field(
        default=None, description="the address, a credential; this or `webhook_url_file` must be set"
    )
    webhook_url_file: SecretFile | None = Field(default=None, description="a file that holds it")
    allow_private: bool = Field(default=False, description="the address may be private, and without TLS")

    @model_validator(mode="after")
    def _goes_out_safely(self) -> Self:
        check_goes_out(self.address, "webhook_url", allow_private=self.allow_private)
        return self

    @property
    def address(self) -> str:
        """Where to post."""
        given = None if self.webhook_url is None else SecretStr(self.webhook_url)
        return secret_of(given, self.webhook_url_file, "webhook_url")


def basic(user: str, password: str) -> str:
    """The value of an ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
