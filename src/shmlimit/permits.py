"""Permits of several limiters: those of `acquire_all`, and the one that `acquire_any` has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from shmlimit import _core
    from shmlimit.limiter import Limiter


class Permits:
    """A permit of each of several limiters, given back together: by release() or at the end of a `with` block.

    `permits[limiter]` is the one of that limiter, as its report_429() wants it; iterating gives all, by limiter name.
    As each of them: collected unreleased they are released then, with a ResourceWarning; in a forked child they are
    inert; killed, the process gives them back.
    """

    def __init__(self, permits: Mapping[str, _core.Permit]) -> None:
        self._permits = dict(sorted(permits.items()))

    def __getitem__(self, limiter: Limiter) -> _core.Permit:
        return self._permits[limiter.name]

    def __iter__(self) -> Iterator[_core.Permit]:
        return iter(self._permits.values())

    def __len__(self) -> int:
        return len(self._permits)

    @property
    def lost(self) -> bool:
        """True when one of them was taken away before it was released here; the others are still held."""
        return any(permit.lost for permit in self)

    def release(self) -> bool:
        """Give all back, without blocking.

        Returns:
            True once. False if one was already released, was lost, or was inherited through fork; the others go back.
        """
        return release_all(self)

    def touch(self) -> bool:
        """Tell the watchdog of each limiter that the work goes on, without blocking.

        Returns:
            False if one of them is no longer held.
        """
        touched = [permit.touch() for permit in self]
        return all(touched)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._permits!r}>"


class ChosenPermit(Permits):
    """The one permit that `acquire_any` has taken.

    Attributes:
        limiter: Whose it is, of those that were given.
        permit: The permit itself, as `limiter.report_429()` wants it.
    """

    def __init__(self, limiter: Limiter, permit: _core.Permit) -> None:
        super().__init__({limiter.name: permit})
        self.limiter = limiter
        self.permit = permit


def release_all(permits: Iterable[_core.Permit]) -> bool:
    """Give all back; whether each was still held."""
    released = [permit.release() for permit in permits]
    return all(released)
