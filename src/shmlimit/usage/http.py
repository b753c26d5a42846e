"""A usage endpoint over HTTP: which URL, which fields, which key."""

from __future__ import annotations

import inspect
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from shmlimit.settings import MIN_INTERVAL, SETTLE, STALE_AFTER
from shmlimit.usage.address import check_headers, parse_url, query_names, shown_url
from shmlimit.usage.argument import (
    check_choice,
    check_figure,
    check_in_flight,
    check_optional_locator,
    check_path,
    check_pattern,
    check_reasons,
    check_seconds,
    check_statuses,
)
from shmlimit.usage.credential import Credential, Presentation
from shmlimit.usage.document import Format
from shmlimit.usage.events import has_event
from shmlimit.usage.fields import Fields
from shmlimit.usage.moment import parse_retry_after
from shmlimit.usage.reading import Usage, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from shmlimit.usage.connection import Answer, Connection, Extent

Counts = Literal["requests", "weight"]

# Bytes of a page of metrics, which tells of everything that a server does; of other answers much less is read.
_METRICS_MAX = 1024 * 1024


class HttpUsage:
    """A source of usage that asks an HTTP endpoint.

    Every argument is checked here, so that a mistake shows where it is made and not in the poller's log.
    Nothing is read or sent before the first `get_usage`, and no secret is ever kept: it is read again for
    each poll, so a new key works at once. The object pickles, and may be used after a fork and from several
    threads.

    Args:
        url: The endpoint: https, or http to this machine.
        in_flight: Locator of the count, or a list of locators to add up; one with a "-" before it is subtracted, as in
            ["/limit", "-/remaining"]. A locator is a JSON pointer; a metric name with optional label matchers, whose
            series are added up; or a response header's name.
        limit: Locator of the upstream's limit, or the limit itself. None: the upstream does not say.
        hard_cap: The same for the count above which the upstream refuses.
        blocked_until: Locator of the time (ISO 8601 or epoch seconds) until which nothing is served.
        blocked_reason: Locator of the reason.
        soft_reasons: Beginnings of reasons for which *blocked_until* is no block.
        blocked_status: HTTP statuses that mean "this account is blocked", instead of a failed poll.
        blocked_body: A regular expression that the body of such an answer has to hold, or it is a failed poll: a key
            that is wrong is no block. None: any body will do.
        degraded: Locator of a boolean: this account is served at low priority.
        auth: Where the key is kept and how it is presented: "bearer:env:NAME", "header:X-Api-Key:env:NAME",
            "query:api_key:env:NAME" or "basic:env:NAME" (the variable holds user:password), or with
            "file:PATH" in place of "env:NAME". None: no key is sent.
        format: How answers are read: "json", "prometheus", "headers", or "events": JSON in the first event of a
            stream of server-sent events, which is then left.
        counts: What the upstream counts: "requests", or "weight" where requests differ in cost.
        headers: Constant headers to send; no secrets.
        timeout: Seconds that one poll may take in all, above 0.
        min_interval: Seconds the poller leaves between two polls at least; 0 for no bound.
        settle: Seconds that a start may take to show in the count; 0: it shows at once. Below the upstream's real lag
            our own youngest sessions are taken for room, and calls are refused; above it, room is used later.
        stale_after: Seconds for which a reading counts, above 0; three times *min_interval* where that is longer.
        ca_file: A file of certificates to accept besides the usual ones, or None.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed. A text that may be a secret is not shown.
    """

    def __init__(
        self,
        url: str,
        *,
        in_flight: str | Sequence[str],
        limit: str | float | None = None,
        hard_cap: str | float | None = None,
        blocked_until: str | None = None,
        blocked_reason: str | None = None,
        soft_reasons: Sequence[str] = (),
        blocked_status: Sequence[int] = (),
        blocked_body: str | None = None,
        degraded: str | None = None,
        auth: str | None = None,
        format: Format = "json",  # noqa: A002 - the word that users know it by
        counts: Counts = "requests",
        headers: Mapping[str, str] | None = None,
        timeout: float = 5.0,
        min_interval: float = MIN_INTERVAL,
        settle: float = SETTLE,
        stale_after: float = STALE_AFTER,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._address = parse_url(url)
        self._url = url
        answer_format: Format = check_choice("format", format, get_args(Format))
        self._fields = Fields(
            answer_format,
            in_flight=check_in_flight(in_flight, answer_format),
            limit=check_figure("limit", limit, answer_format),
            hard_cap=check_figure("hard_cap", hard_cap, answer_format),
            blocked_until=check_optional_locator("blocked_until", blocked_until, answer_format),
            blocked_reason=check_optional_locator("blocked_reason", blocked_reason, answer_format),
            soft_reasons=check_reasons(soft_reasons),
            degraded=check_optional_locator("degraded", degraded, answer_format),
        )
        if answer_format == "prometheus" and blocked_reason is not None:
            raise ValueError("blocked_reason cannot be read from format='prometheus', which holds numbers only")
        self._blocked_status = check_statuses(blocked_status)
        self._blocked_body = check_pattern("blocked_body", blocked_body)
        self._counts: Counts = check_choice("counts", counts, get_args(Counts))
        self._headers = (
            {} if headers is None else check_headers(dict(headers) if isinstance(headers, Mapping) else headers)
        )
        self._timeout = check_seconds("timeout", timeout, positive=True)
        self._min_interval = check_seconds("min_interval", min_interval, positive=False)
        self._settle = check_seconds("settle", settle, positive=False)
        self._stale_after = check_seconds("stale_after", stale_after, positive=True)
        self._ca_file = check_path("ca_file", ca_file)
        self._credential = None if auth is None else Credential.parse(auth)
        self._check_presentation()
        self._connection: Connection | None = None
        self._connection_pid = 0
        self._closed = False

    def _check_presentation(self) -> None:
        credential = self._credential
        if credential is None:
            return
        if credential.scheme == "query" and credential.name in query_names(self._address):
            raise ValueError(f"auth and url both set the query parameter {credential.name!r}: take it out of the url")
        if credential.scheme == "header" and credential.name.lower() in {name.lower() for name in self._headers}:
            raise ValueError(f"auth and headers both set {credential.name!r}: take it out of headers")

    @property
    def url(self) -> str:
        """The endpoint's URL, without any key."""
        return self._url

    @property
    def counts(self) -> Counts:
        """What the upstream counts: "requests" or "weight"."""
        return self._counts

    @property
    def timeout(self) -> float:
        """Seconds that one poll may take in all."""
        return self._timeout

    @property
    def min_interval(self) -> float:
        """Seconds to leave between two polls at least; 0 means no bound."""
        return self._min_interval

    @property
    def settle(self) -> float:
        """Seconds that a start may take to show in the count."""
        return self._settle

    @property
    def stale_after(self) -> float:
        """Seconds for which a reading counts."""
        return self._stale_after

    def get_usage(self) -> Usage:
        """Ask the endpoint once, blocking up to *timeout* seconds in total.

        Raises:
            UsageError: There is no reading; the message says why in one line.
            UpstreamBlocked: The endpoint answered with one of *blocked_status*.
            RuntimeError: The source has been closed.
        """
        if self._closed:
            raise RuntimeError("this HttpUsage is closed: make a new one to poll again")
        outcome = self._poll(time.monotonic() + self._timeout)
        if isinstance(outcome, UsageError):
            raise outcome
        return outcome

    def _poll(self, deadline: float) -> Usage | UsageError:
        """Return a failure, not raise it: a traceback would keep frames whose variables hold the key."""
        presentation = Presentation()
        try:
            if self._credential is not None:
                presentation = self._credential.present()
            answer = self._open().get(
                self._headers,
                presentation,
                with_body=frozenset({200, *self._blocked_status}),
                extent=self._extent(),
                deadline=deadline,
                timeout=self._timeout,
            )
            return self._understand(answer, presentation)
        except UsageError as error:
            failure = error
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        return failure

    def _extent(self) -> Extent:
        from shmlimit.usage.connection import Extent

        if self._fields.answer_format == "prometheus":
            return Extent(_METRICS_MAX)
        return Extent(is_enough=has_event) if self._fields.answer_format == "events" else Extent()

    def _open(self) -> Connection:
        if self._connection is None or self._connection_pid != os.getpid():
            # Only here, as it takes longer than everything else that `import shmlimit.usage` does.
            from shmlimit.usage.connection import Connection

            # After a fork the old one is the parent's: a byte sent on it would corrupt the parent's exchange.
            self._connection, self._connection_pid = Connection(self._address, self._ca_file), os.getpid()
        return self._connection

    def _understand(self, answer: Answer, presentation: Presentation) -> Usage:
        retry_after = None
        if answer.status in {429, 503}:
            retry_after = parse_retry_after(answer.header("retry-after"), date=answer.header("date"), now=time.time())
        if answer.status in self._blocked_status and self._is_block(answer):
            blocked = self._fields.read_block(answer.status, answer.body, answer.headers, presentation.redact)
            blocked.retry_after = retry_after
            raise blocked
        if answer.status != 200:
            detail = ", and redirects are not followed" if 300 <= answer.status < 400 else ""
            raise UsageError(f"HTTP {answer.status}{detail}", retry_after=retry_after)
        if answer.body is None:
            raise UsageError(answer.failure or "the answer has no body")
        return self._fields.read(answer.body, answer.headers, presentation.redact)

    def _is_block(self, answer: Answer) -> bool:
        text = (answer.body or b"").decode(errors="replace")
        return self._blocked_body is None or re.search(self._blocked_body, text) is not None

    def to_config(self) -> dict[str, Any]:
        """Return what makes an equal source with `load_source`: JSON values, no secret, and no default."""
        fields = self._fields
        in_flight: object = fields.in_flight[0] if len(fields.in_flight) == 1 else list(fields.in_flight)
        settings = {
            "limit": fields.limit,
            "hard_cap": fields.hard_cap,
            "blocked_until": fields.blocked_until,
            "blocked_reason": fields.blocked_reason,
            "soft_reasons": list(fields.soft_reasons) or None,
            "blocked_status": list(self._blocked_status) or None,
            "blocked_body": self._blocked_body,
            "degraded": fields.degraded,
            "auth": self._credential and self._credential.reference,
            "format": fields.answer_format,
            "counts": self._counts,
            "headers": dict(self._headers) or None,
            "timeout": self._timeout,
            "min_interval": self._min_interval,
            "settle": self._settle,
            "stale_after": self._stale_after,
            "ca_file": self._ca_file,
        }
        given = {name: value for name, value in settings.items() if value is not None and value != _DEFAULTS[name]}
        return {"kind": "http", "url": self._url, "in_flight": in_flight, **given}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> HttpUsage:
        """Make the source that `to_config` described, without blocking.

        Raises:
            TypeError: A setting has the wrong type.
            ValueError: A setting is unknown, missing or not allowed.
        """
        settings = {name: value for name, value in config.items() if name != "kind"}
        unknown = sorted(str(name) for name in settings if name not in OPTIONS)
        if unknown:
            raise ValueError(f"unknown setting {unknown[0][:64]!r} of an HTTP source: known are {', '.join(OPTIONS)}")
        missing = [name for name in ("url", "in_flight") if name not in settings]
        if missing:
            raise ValueError(f"an HTTP source needs the setting {missing[0]!r}")
        return cls(**settings)

    def close(self) -> None:
        """Close the connection, blocking while another thread polls; closing twice does nothing."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None and self._connection_pid == os.getpid():
            connection.close()

    def __enter__(self) -> Self:
        """Return the source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the source."""
        self.close()

    def __repr__(self) -> str:
        """Show where it asks and where the key is kept; the values of the URL's query are left out."""
        in_flight = " + ".join(self._fields.in_flight)
        auth = "" if self._credential is None else f", auth={self._credential.reference!r}"
        return f"HttpUsage({shown_url(self._url)}, in_flight={in_flight!r}{auth})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings alone: no connection crosses into another process."""
        return _rebuild, (self.to_config(),)


def _rebuild(config: dict[str, Any]) -> HttpUsage:
    return HttpUsage.from_config(config)


_PARAMETERS = dict(inspect.signature(HttpUsage).parameters)
_DEFAULTS = {name: parameter.default for name, parameter in _PARAMETERS.items()}

OPTIONS = tuple(_PARAMETERS)
"""The names of every setting of an HTTP source, the URL included."""
