"""The operations: one entry for each that the extension has."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from shmlimit import Limiter, _core, segment
from tests.stepper.operation import LIMIT, SLOTS, Doomed, Operation

if TYPE_CHECKING:
    from tests.stepper.place import Place
    from tests.stepper.world import World

_SHORT_SLEEP_US = 20_000
_COOLDOWN_US = 500
_STALE_AFTER_US = 100_000_000

# ---- In the doomed process.


def _nothing(doomed: Doomed) -> None:
    pass


def _attach(doomed: Doomed) -> None:
    doomed.limiter = Limiter(doomed.name)


def _hold(doomed: Doomed) -> None:
    _attach(doomed)
    doomed.permits.append(doomed.take())


def _queue(doomed: Doomed) -> None:
    _attach(doomed)
    assert doomed.limiter is not None
    doomed.permits.append(doomed.limiter._enter(1, 0, 0, None)[0])


def _poll(doomed: Doomed) -> None:
    """The upstream is full of others, until the operation says otherwise."""
    _attach(doomed)
    assert doomed.attachment.elect_poller()
    doomed.attachment.set_lag(0, _STALE_AFTER_US)
    assert doomed.attachment.write_sample(LIMIT * 1000, _t0_us(), LIMIT * 1000)


def _find_a_corpse(doomed: Doomed) -> None:
    """Another process has died: it held everything, and waited for more."""
    pid = os.fork()
    if not pid:
        _hold(doomed)
        doomed.permits.append(doomed.take())
        _queue(doomed)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    _attach(doomed)


def _t0_us() -> int:
    # Samples are told apart by the millisecond.
    begun = round(_core.now() * 1e6)
    while (t0_us := round(_core.now() * 1e6)) < begun + 1000:
        time.sleep(0)
    return t0_us


def _try_acquire(doomed: Doomed) -> object:
    assert doomed.limiter is not None
    return doomed.limiter.try_acquire()


def _enter_and_wait(doomed: Doomed, deadline_us: int) -> object:
    assert doomed.limiter is not None
    permit, queued = doomed.limiter._enter(1, 0, 0, "doomed")
    if queued and doomed.attachment.wait(permit, deadline_us) == _core.TIMED_OUT:
        return None
    return permit


def _acquire(doomed: Doomed) -> object:
    return _enter_and_wait(doomed, _core.NO_DEADLINE)


def _time_out(doomed: Doomed) -> object:
    return _enter_and_wait(doomed, round(_core.now() * 1e6) + _SHORT_SLEEP_US)


def _release(doomed: Doomed) -> object:
    return doomed.permits.pop().release()


def _leave(doomed: Doomed) -> object:
    doomed.attachment.leave(doomed.permits.pop())
    return None


def _touch(doomed: Doomed) -> object:
    return doomed.permits[0].touch()


def _open(doomed: Doomed) -> object:
    doomed.limiter = Limiter.__new__(Limiter)
    return _core.Attachment(segment.path_of(doomed.name))


def _close(doomed: Doomed) -> object:
    assert doomed.limiter is not None
    doomed.limiter.close()
    doomed.limiter = None
    return None


def _reap(doomed: Doomed) -> object:
    return doomed.attachment.reap()


def _raise_limit(doomed: Doomed) -> object:
    doomed.attachment.set_limit(LIMIT + 1)
    return None


def _lower_limit(doomed: Doomed) -> object:
    doomed.attachment.set_limit(LIMIT - 1)
    return None


def _resume(doomed: Doomed) -> object:
    doomed.attachment.pause(0)
    return None


def _report(doomed: Doomed) -> object:
    return doomed.attachment.report_refusal(round(_core.now() * 1e6), doomed.permits[0])


def _sample(doomed: Doomed) -> object:
    return doomed.attachment.write_sample(0, _t0_us(), 0)


def _fail(doomed: Doomed) -> object:
    return doomed.attachment.write_failure(_t0_us(), "no answer")


def _feed(doomed: Doomed) -> object:
    return doomed.attachment.write_fed_sample(0, 0, _t0_us(), 0)


def _end_pause(doomed: Doomed) -> object:
    doomed.attachment.end_pause(_core.NO_DEADLINE)
    return None


def _follow(doomed: Doomed) -> object:
    doomed.attachment.follow(0)
    return None


def _follow_limit(doomed: Doomed) -> object:
    """What a poller does when the upstream has raised it; then a person sets it again, for the next trial."""
    raised = doomed.attachment.follow_limit(LIMIT + 1)
    doomed.attachment.follow(None)
    return raised


def _poll_and_follow(doomed: Doomed) -> None:
    _attach(doomed)
    assert doomed.attachment.elect_poller()
    doomed.attachment.follow(0)


def _create(doomed: Doomed) -> object:
    return Limiter(doomed.name, limit=LIMIT, cooldown=0, slots=SLOTS)


def _destroy(doomed: Doomed) -> object:
    segment.destroy(doomed.name, force=True)
    return None


# ---- In the survivor.


def _fill(world: World) -> None:
    world.take(LIMIT)


def _fill_and_queue(world: World) -> None:
    world.take(LIMIT)
    world.queue()


def _take_the_rest_and_queue(world: World) -> None:
    world.take(LIMIT - 1)
    world.queue()


def _pause_and_queue(world: World) -> None:
    world.attachment.pause(_core.NO_DEADLINE)
    world.queue()


def _queue_only(world: World) -> None:
    world.queue()


def _cool_slowly(world: World) -> None:
    world.attachment.set_cooldown(_COOLDOWN_US)


def _let_go(world: World) -> None:
    world.let_go()


def _make(place: Place) -> None:
    place.make()


SHARED = (
    Operation("acquire with room", _try_acquire, _attach),
    Operation("acquire without room", _try_acquire, _attach, _fill),
    Operation("acquire, queue, be admitted", _acquire, _attach, _fill, wake=_let_go, is_timed=True),
    Operation("acquire, queue, time out", _time_out, _attach, _fill, is_timed=True),
    Operation("leave the queue", _leave, _queue, before=_fill),
    Operation("release", _release, _hold),
    Operation("release with a cooldown", _release, _hold, _cool_slowly),
    Operation("release and admit a waiter", _release, _hold, _take_the_rest_and_queue),
    Operation("touch", _touch, _hold),
    Operation("attach", _open, _nothing),
    Operation("detach", _close, _attach),
    Operation("reap", _reap, _find_a_corpse),
    Operation("raise the limit", _raise_limit, _attach, _fill_and_queue, limit=LIMIT + 1),
    Operation("lower the limit", _lower_limit, _attach, _fill_and_queue),
    Operation("resume", _resume, _attach, _pause_and_queue),
    Operation("report a refusal", _report, _hold, _take_the_rest_and_queue),
    Operation("write a sample", _sample, _poll, _queue_only),
    Operation("write a failed poll", _fail, _poll, _queue_only),
    Operation("write what an answer told", _feed, _attach, _fill_and_queue),
    Operation("end this pause", _end_pause, _attach, _pause_and_queue),
    Operation("follow the upstream's limit", _follow, _attach),
    Operation("raise the limit to the upstream's", _follow_limit, _poll_and_follow, _fill_and_queue, limit=LIMIT + 1),
)
"""What participants do to a segment and each other."""

SLEEPING = tuple(operation for operation in SHARED if operation.wake)

HEIR = Operation("reap what another left", _reap, _attach)

CREATE = Operation("create", _create, _nothing)
DESTROY = Operation("destroy", _destroy, _nothing, before=_make)

OPERATIONS = (*SHARED, HEIR, CREATE, DESTROY)
