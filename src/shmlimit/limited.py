"""The decorator: each call of a function holds a permit."""

from __future__ import annotations

import contextlib
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
        for is_kind, wrap in _KINDS:
            if is_kind(function):
                return cast("F", wrap(limiter, options, function))
        return cast("F", _limited_function(limiter, options, function))

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


def _limited_coroutine(limiter: Limiter, options: dict[str, Any], function: F) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with await limiter.acquire_async(**options):
            return await function(*args, **kwargs)

    return call


def _limited_async_generator(limiter: Limiter, options: dict[str, Any], function: F) -> Callable[..., Any]:
    @functools.wraps(function)
    async def generate(*args: Any, **kwargs: Any) -> Any:
        with await limiter.acquire_async(**options):
            async with contextlib.aclosing(function(*args, **kwargs)) as inner:
                step = inner.__anext__()
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown in by the consumer, for the inner one
                        step = inner.athrow(error)

    return generate


_KINDS = (
    (inspect.iscoroutinefunction, _limited_coroutine),
    (inspect.isasyncgenfunction, _limited_async_generator),
    (inspect.isgeneratorfunction, _limited_generator),
)
