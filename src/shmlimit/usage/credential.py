"""Secrets by reference: where a key is kept and how it is presented, never the key itself."""

from __future__ import annotations

import base64
import errno
import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from shmlimit.usage.address import check_header_name
from shmlimit.usage.reading import UsageError
from shmlimit.usage.redaction import redact

MAX_SECRET = 4096
"""Bytes; a larger secret is refused, as it would be no key but some other file."""

_ALLOWED = (
    "'bearer:env:NAME', 'header:X-Api-Key:env:NAME', 'query:api_key:env:NAME' or 'basic:env:NAME', "
    "each with 'file:PATH' in place of 'env:NAME' too"
)
_REFERENCE = re.compile(
    r"(?:(?P<plain>bearer|basic)|(?P<named>header|query):(?P<name>[^:]+))"
    r":(?P<keeper>env|file):(?P<place>.+)",
    re.DOTALL,
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PARAMETER = re.compile(r"[A-Za-z0-9._~\-\[\]]{1,64}")
_DIGIT = re.compile(r"[0-9]")


def _looks_inline(variable: str) -> bool:
    """A key pasted in place of a variable's name would end up in messages and in the stored settings."""
    if not _DIGIT.search(variable):
        return False
    mixed = variable != variable.upper() and variable != variable.lower()
    long = len(variable) >= 20
    return mixed or (long and ("_" not in variable or variable != variable.upper()))


def _refusal(what: str) -> ValueError:
    return ValueError(
        f"auth {what}: it must be a reference to a secret, as {_ALLOWED}; the text given is not shown, as it "
        "may be the secret itself"
    )


@dataclass(frozen=True, slots=True)
class Presentation:
    """One reading of a secret, as it travels with one request; to be dropped right after it.

    Attributes:
        headers: The headers to add.
        query: The query parameter to add, percent-encoded, or the empty text.
        forms: Every form of the secret in this request, for taking it out of what the upstream says.
    """

    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    query: str = field(default="", repr=False)
    forms: tuple[str, ...] = field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """Return the text with every form of the secret and every piece of one taken out, without blocking."""
        return redact(text, self.forms)


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a secret is kept and how it is presented; it never holds the secret.

    Attributes:
        scheme: How the secret is presented.
        name: The header's or query parameter's name; empty for bearer and basic.
        keeper: Whether *place* is an environment variable or a file.
        place: The variable's name, or the file's absolute path.
    """

    scheme: Literal["bearer", "basic", "header", "query"]
    name: str
    keeper: Literal["env", "file"]
    place: str

    @classmethod
    def parse(cls, reference: object) -> Credential:
        """Read a reference such as "bearer:env:NAME", without blocking and without reading the secret.

        A relative path is made absolute here: the process that reads the file may run elsewhere.

        Raises:
            TypeError: It is no text.
            ValueError: It is no reference. The text is not part of the message.
        """
        if not isinstance(reference, str):
            raise TypeError(f"auth must be a reference as text, as {_ALLOWED}, not {type(reference).__name__}")
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise _refusal("is not one of the forms allowed")
        scheme = match["plain"] or match["named"]
        name = match["name"] or ""
        if scheme == "header":
            try:
                check_header_name(name, argument="auth")
            except ValueError:
                raise _refusal("names no header that may be set") from None
        elif scheme == "query" and _PARAMETER.fullmatch(name) is None:
            raise _refusal("names no query parameter")
        place = match["place"]
        if match["keeper"] == "env":
            if _VARIABLE.fullmatch(place) is None or _looks_inline(place):
                raise _refusal("does not name an environment variable")
        else:
            if "/" not in place or len(place) > MAX_SECRET or not place.isprintable():
                raise _refusal("does not name a file by a path with a slash, as './key'")
            place = str(Path(place).expanduser().absolute())
        return cls(scheme, name, match["keeper"], place)  # type: ignore[arg-type]

    @property
    def reference(self) -> str:
        """The reference as text; it holds no secret."""
        named = f"{self.scheme}:{self.name}" if self.name else self.scheme
        return f"{named}:{self.keeper}:{self.place}"

    @property
    def _origin(self) -> str:
        if self.keeper == "env":
            return f"the environment variable {self.place}"
        return f"the key file {self.place!r}"

    def present(self) -> Presentation:
        """Read the secret afresh and form what goes into one request, blocking for a local file at most.

        Raises:
            UsageError: The secret is absent, not kept safely, or cannot be sent; the message names its place.
        """
        secret = self._read_variable() if self.keeper == "env" else self._read_file()
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in secret):
            raise UsageError(f"{self._origin} holds a control character, which cannot be sent")
        quoted = quote(secret, safe="")
        encoded = base64.b64encode(secret.encode()).decode()
        # As sent, and as a server or a log in between may have rewritten it.
        forms = (secret, quoted, encoded)
        if self.scheme == "query":
            return Presentation(query=f"{quote(self.name, safe='')}={quoted}", forms=forms)
        if self.scheme == "basic":
            if ":" not in secret:
                raise UsageError(f"{self._origin} must hold 'user:password' for basic, and holds no ':'")
            password = secret.partition(":")[2]
            headers = ((b"Authorization", f"Basic {encoded}".encode()),)
            return Presentation(headers=headers, forms=(*forms, password))
        if not secret.isascii() or secret != secret.strip():
            raise UsageError(f"{self._origin} holds a space at an end or a character that no header may hold")
        name, value = ("Authorization", f"Bearer {secret}") if self.scheme == "bearer" else (self.name, secret)
        return Presentation(headers=((name.encode(), value.encode()),), forms=forms)

    def _read_variable(self) -> str:
        secret = os.environ.get(self.place)
        if secret is None:
            raise UsageError(f"{self._origin} is not set")
        if not secret:
            raise UsageError(f"{self._origin} is empty")
        if len(secret.encode(errors="surrogateescape")) > MAX_SECRET:
            raise UsageError(f"{self._origin} holds more than {MAX_SECRET} bytes, which is no key")
        return secret

    def _read_file(self) -> str:
        # O_NONBLOCK: opening a FIFO must not hang before it can be refused.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            descriptor = os.open(self.place, flags)
        except OSError as error:
            what = "is a symbolic link, and must be the file itself"
            if error.errno != errno.ELOOP:
                what = f"cannot be opened: {error.strerror}"
            raise UsageError(f"{self._origin} {what}") from None
        try:
            self._check_file(os.fstat(descriptor))
            content = os.read(descriptor, MAX_SECRET + 3)
        except OSError as error:
            raise UsageError(f"{self._origin} cannot be read: {error.strerror}") from None
        finally:
            os.close(descriptor)
        content = content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")
        if not content:
            raise UsageError(f"{self._origin} is empty")
        if len(content) > MAX_SECRET:
            raise UsageError(f"{self._origin} holds more than {MAX_SECRET} bytes, which is no key")
        try:
            return content.decode()
        except UnicodeDecodeError:
            pass
        # Raised outside the handler: the decoder's error carries the file's bytes.
        raise UsageError(f"{self._origin} is not UTF-8 text")

    def _check_file(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{self._origin} is not a regular file")
        if status.st_uid != os.geteuid():
            raise UsageError(
                f"{self._origin} belongs to uid {status.st_uid}: it must belong to uid {os.geteuid()}, which reads it"
            )
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise UsageError(f"{self._origin} has mode {mode:04o} and is open to others: chmod 600 it")
