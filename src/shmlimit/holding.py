"""A permit held during a `with` or `async with` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from shmlimit import _core
    from shmlimit.limiter import Limiter


class Holding:
    """What `Limiter.permit` returns: good for one block of either kind."""

    def __init__(self, limiter: Limiter, options: dict[str, Any]) -> None:
        self._limiter = limiter
        self._options = options
        self._permit: _core.Permit | None = None

    def _begin(self, permit: _core.Permit) -> _core.Permit:
        self._permit = permit
        return permit

    def _end(self) -> None:
        if self._permit is not None:
            self._permit.release()
            self._permit = None

    def _check_unused(self) -> None:
        if self._permit is not None:
            raise RuntimeError(f"{self._limiter!r}: this permit() is in use; each `with` block needs one of its own")

    def __enter__(self) -> _core.Permit:
        self._check_unused()
        return self._begin(self._limiter.acquire(**self._options))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    async def __aenter__(self) -> _core.Permit:
        self._check_unused()
        return self._begin(await self._limiter.acquire_async(**self._options))

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
