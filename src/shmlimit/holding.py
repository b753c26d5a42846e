"""What was taken, held during a `with` or `async with` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType


class Releasable(Protocol):
    """A permit, or several."""

    def release(self) -> bool:
        """Give it back."""
        ...


P = TypeVar("P", bound=Releasable)


class Holding(Generic[P]):
    """What `Limiter.permit`, `all_of` and `any_of` return: good for one block of either kind."""

    def __init__(
        self, acquire: Callable[..., P], acquire_async: Callable[..., Awaitable[P]], options: dict[str, Any]
    ) -> None:
        self._acquire = acquire
        self._acquire_async = acquire_async
        self._options = options
        self._held: P | None = None

    def _begin(self, held: P) -> P:
        self._held = held
        return held

    def _end(self) -> None:
        if self._held is not None:
            self._held.release()
            self._held = None

    def _check_unused(self) -> None:
        if self._held is not None:
            raise RuntimeError(f"{self._held!r}: this is in use; each `with` block needs one of its own")

    def __enter__(self) -> P:
        self._check_unused()
        return self._begin(self._acquire(**self._options))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    async def __aenter__(self) -> P:
        self._check_unused()
        return self._begin(await self._acquire_async(**self._options))

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
