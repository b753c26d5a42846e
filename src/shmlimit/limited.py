"""The decorator: each call of a function holds a permit."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from shmlimit.limiter import Limiter

F = TypeVar("F", bound=Callable[..., Any])


def limited(limiter: Limiter, options: dict[str, Any]) -> Callable[[F], F]:
    """Return the decorator of Limiter.limited."""

    def decorate(function: F) -> F:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__qualname__} is asynchronous; acquire in a thread, asyncio is not supported yet"
            )
        wrap = _limited_generator if inspect.isgeneratorfunction(function) else _limited_function
        return cast("F", wrap(limiter, options, function))

    return decorate


def _limited_function(limiter: Limiter, options: dict[str, Any], function: F) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with limiter.acquire(**options):
            return function(*args, **kwargs)

    return call


def _limited_generator(limiter: Limiter, options: dict[str, Any], function: F) -> Callable[..., Any]:
    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Any:
        with limiter.acquire(**options):
            return (yield from function(*args, **kwargs))

    return generate
