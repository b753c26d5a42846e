"""Opening a limiter: what was asked for, made into settings for a new segment or compared with those that stand."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from shmlimit import _core, settings, statefile
from shmlimit.errors import ConfigMismatchWarning
from shmlimit.status import read_status

if TYPE_CHECKING:
    from types import EllipsisType


class Wanted:
    """What a caller asked for: checked, made into settings for a new segment, or compared with those that stand."""

    def __init__(
        self,
        limit: int | str | None,
        headroom: int,
        cooldown: float | None,
        slot_timeout: float | EllipsisType | None,
        usage: object,
        gate: str | EllipsisType,
        on_stale: str | EllipsisType,
        slots: int,
    ) -> None:
        self.headroom = settings.check_headroom(headroom) if limit == settings.UPSTREAM else None
        if headroom and self.headroom is None:
            raise ValueError(
                f"headroom={headroom!r} is kept free of the upstream's own limit: give limit='upstream' too"
            )
        self.limit = limit if limit is None or self.headroom is not None else settings.check_limit(limit)
        self.cooldown = None if cooldown is None else settings.check_duration("cooldown", cooldown)
        self.slot_timeout = slot_timeout if slot_timeout is ... else settings.check_slot_timeout(slot_timeout)
        self.gate = gate if gate is ... else settings.check_choice("gate", gate, settings.GATES)
        self.on_stale = on_stale if on_stale is ... else settings.check_choice("on_stale", on_stale, settings.ON_STALE)
        self.slots = settings.check_slots(slots)
        self.usage = None if usage is None else _describe(usage)

    def settings(self, saved: statefile.SavedState | None) -> settings.Settings:
        """Return settings for a new segment: what was not asked for is as it was saved, or the default."""
        limit, configured = self._limits(saved)
        cooldown = settings.DEFAULT_COOLDOWN if saved is None else saved.cooldown
        usage = None if saved is None else saved.usage
        new = settings.Settings(
            limit=limit,
            configured_limit=configured,
            headroom=self.headroom,
            cooldown=cooldown if self.cooldown is None else self.cooldown,
            slot_timeout=settings.DEFAULT_SLOT_TIMEOUT if self.slot_timeout is ... else self.slot_timeout,
            gate="upstream" if self.gate is ... else self.gate,
            on_stale="open" if self.on_stale is ... else self.on_stale,
            slots=self.slots,
            usage=usage if self.usage is None else self.usage,
        )
        if new.on_stale == "closed" and new.usage is None:
            raise ValueError("on_stale='closed' admits nobody without samples; give a usage source too")
        if new.headroom is not None and new.usage is None:
            raise ValueError("limit='upstream' is told by a usage source; give one too, as usage=preset(...)")
        return new

    def _limits(self, saved: statefile.SavedState | None) -> tuple[int, int]:
        """The limit in force, and the one that 429s have not lowered."""
        if isinstance(self.limit, int):
            is_kept = saved is not None and saved.configured_limit == self.limit
            return (saved.limit if saved is not None and is_kept else self.limit), self.limit
        return (settings.FIRST_LIMIT,) * 2 if saved is None else (saved.limit, saved.configured_limit)

    def warn_of_mismatch(self, name: str, attachment: _core.Attachment) -> None:
        """Warn of each setting that was asked for and does not stand."""
        now = read_status(name, attachment)
        stands = {
            "limit": now.configured_limit if now.headroom is None else settings.UPSTREAM,
            "headroom": self.headroom if now.headroom is None else now.headroom,
            "cooldown": now.cooldown,
            "slot_timeout": now.slot_timeout,
            "gate": now.gate,
            "on_stale": now.on_stale,
            "usage": segment_usage(attachment),
        }
        asked = {key: getattr(self, key) for key in stands}
        for key, value in asked.items():
            if value is None and key != "slot_timeout":
                continue
            if value is not ... and _as_kept(value) != _as_kept(stands[key]):
                warnings.warn(
                    f"limiter {name!r} has {key} {stands[key]!r}, not {value!r}: what it was created with stands; "
                    f"change it with `shmlimit set` or the Limiter's attribute",
                    ConfigMismatchWarning,
                    stacklevel=3,
                )


def _as_kept(value: object) -> object:
    return settings.microseconds(value) if isinstance(value, float) else value


def save(name: str, attachment: _core.Attachment) -> None:
    """Save what must outlive the segment."""
    now = read_status(name, attachment)
    statefile.write(
        name,
        statefile.SavedState(
            limit=now.limit or 0,
            configured_limit=now.configured_limit or 0,
            cooldown=now.cooldown,
            usage=segment_usage(attachment),
        ),
    )


def segment_usage(attachment: _core.Attachment) -> dict[str, Any] | None:
    """Return the usage source that the segment was created with."""
    return settings.read_usage(attachment.config())


def _describe(usage: object) -> dict[str, Any]:
    from shmlimit.usage import describe

    return describe(usage)
