"""The courses that a storm may take: who calls how, and how often what befalls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Course:
    """One course. Durations in seconds.

    Attributes:
        callers: Processes that acquire, each replaced when it dies.
        limit: The limit at first, and at the end.
        limits: What it is changed to meanwhile.
        cooldowns: Of a release: the first at first, and any of them once it is configured.
        slot_timeout: Of the watchdog; None: off.
        slots: Of the segment; fewer than callers: the table is full at times.
        weights: What a permit may weigh, in thousandths.
        priorities: What a call's may be.
        timeouts: How long a call may wait; None: for ever.
        holds: The longest that a permit is held.
        tries: Share of calls that never wait.
        touches: Share of permits that are touched while they are held.
        refusals: Share of permits that report a 429.
        forks: Share of permits during which the caller forks.
        execs: Share of permits during which it becomes another program.
        deeds: What the director does, times a second.
        usage: Where the upstream's count is read; None: nowhere, and there is no poller.
    """

    name: str
    callers: int = 24
    limit: int = 6
    limits: tuple[int, ...] = ()
    cooldowns: tuple[float, ...] = (0.0,)
    slot_timeout: float | None = None
    slots: int = 96
    weights: tuple[int, ...] = (1000,)
    priorities: tuple[int, ...] = (0,)
    timeouts: tuple[float | None, ...] = (None,)
    holds: float = 0.03
    tries: float = 0.1
    touches: float = 0.0
    refusals: float = 0.0
    forks: float = 0.0
    execs: float = 0.0
    deeds: Mapping[str, float] = field(default_factory=dict)
    usage: str | None = None


STORMS = (
    Course("killed", deeds={"kill": 12.0, "stop": 4.0}, forks=0.01),
    Course(
        "mixed",
        limits=(0, 1, 2, 4, 8, 12),
        weights=(1000, 1000, 500, 2000, 3000),
        priorities=(0, 0, 0, 5, -3),
        timeouts=(None, None, 0.02, 0.1, 0.5),
        refusals=0.005,
        forks=0.01,
        execs=0.005,
        deeds={"kill": 4.0, "stop": 6.0, "cancel": 60.0, "limit": 4.0, "reset": 1.0, "pause": 1.0},
    ),
    Course(
        "overdue",
        limits=(4, 6),
        cooldowns=(0.05,),
        slot_timeout=0.1,
        slots=16,
        touches=0.5,
        holds=0.07,
        timeouts=(None, None, None, 0.3),
        deeds={"kill": 8.0, "stop": 12.0, "limit": 0.5, "cancel": 5.0},
    ),
    Course(
        "crowded",
        callers=48,
        slots=24,
        limits=(3, 6, 9),
        cooldowns=(0.005, 0.01, 0.002),
        weights=(1000, 1500),
        timeouts=(None, 0.05, 0.2),
        holds=0.01,
        deeds={"kill": 8.0, "stop": 4.0, "cancel": 10.0, "limit": 2.0, "configure": 3.0},
    ),
    Course(
        "recreated",
        callers=16,
        timeouts=(None, 0.2),
        deeds={"recreate": 2.0, "remove": 1.0, "kill": 4.0, "stop": 2.0},
    ),
    Course(
        "polled",
        limits=(4, 6, 8),
        usage="tests.storm.upstream:brisk_usage",
        timeouts=(None, None, 0.3),
        deeds={"kill": 4.0, "stop": 3.0, "cancel": 3.0, "limit": 0.5, "kill poller": 0.3, "stop poller": 1.0},
    ),
)
"""What storms do, one after another."""

PARKED = Course("parked", callers=16, limit=4, holds=1e6, tries=0.0, forks=0.5)
"""Nobody gives back what it holds: it takes a kill. Some leave a child, which outlives them."""

COURSES = {course.name: course for course in (*STORMS, PARKED)}
