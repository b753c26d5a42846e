# cython: binding=False, boundscheck=False, wraparound=False
"""The binding of csrc/shmlimit.h: converts, releases the GIL where it may sleep, maps status codes to exceptions."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_WarnEx
from cpython.long cimport PyLong_AsLongAndOverflow
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.errno cimport errno
from libc.math cimport isfinite
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport close

import os

from shmlimit.errors import (
    LimiterClosed,
    LimiterNotFound,
    NeverAdmissible,
    ParticipantsFull,
    QueueFull,
    SegmentCorrupt,
    SegmentIncompatible,
    SegmentOrphaned,
    SegmentRefused,
    ShmlimitError,
    UnsupportedPlatform,
)


cdef extern from "pythread.h" nogil:
    unsigned long PyThread_get_thread_ident()


cdef extern from "<sys/prctl.h>" nogil:
    int PR_SET_DUMPABLE
    int prctl(int option, unsigned long argument)


ONE_PER_POLL = FLAG_ONE_PER_POLL
CLOSED_ON_STALE = FLAG_CLOSED_ON_STALE
HAS_USAGE = FLAG_USAGE
RETIRED = FLAG_RETIRED
SLOTS_LIMIT = SLOTS_MAX
LIMIT_LIMIT = LIMIT_MAX
CONFIG_LIMIT = CONFIG_BYTES
NO_DEADLINE = UINT64_MAX
NO_READING = 0xFFFFFF
BLOCKED_BY = (None, "full", "cooling", "foreign", "paused", "stale")

ADMITTED = SHMLIMIT_OK
QUEUED = SHMLIMIT_QUEUED
TIMED_OUT = SHMLIMIT_TIMED_OUT
POLLER_WANTED = SHMLIMIT_POLLER_WANTED

# Status code -> (exception, what to do). The one place where C answers become Python errors.
_ERRORS = {
    SHMLIMIT_NEVER_ADMISSIBLE: (NeverAdmissible, "ask for less, or raise the limit"),
    SHMLIMIT_QUEUE_FULL: (QueueFull, "wait for less at once, or create the limiter with more slots"),
    SHMLIMIT_PARTICIPANTS_FULL: (ParticipantsFull, "share one Limiter per process, or end some processes"),
    SHMLIMIT_LOST: (SegmentCorrupt, "its slot was lost while it waited (in a forked child: the wait is the parent's)"),
    SHMLIMIT_REFUSED: (SegmentRefused, "remove that file, or set SHMLIMIT_DIR to a directory of your own"),
    SHMLIMIT_INCOMPATIBLE: (SegmentIncompatible, "end the processes that use it, then `shmlimit destroy` it"),
    SHMLIMIT_CORRUPT: (SegmentCorrupt, "end the processes that use it, then `shmlimit destroy --force` it"),
    SHMLIMIT_ORPHANED: (SegmentOrphaned, "release what is held and open the limiter again"),
    SHMLIMIT_UNSUPPORTED: (UnsupportedPlatform, "use a Linux kernel 5.4 or later outside such a sandbox"),
}


cdef object failure(int status, str subject, const fault *found):
    """The exception of a status that is not an outcome."""
    if status == SHMLIMIT_SYSTEM:
        code = found.error if found != NULL and found.error else errno
        what = found.what.decode() if found != NULL and found.what != NULL else "system call"
        return OSError(code, f"{subject}: {what}: {os.strerror(code)}")
    if status == SHMLIMIT_NOT_FOUND:
        return LimiterNotFound(f"{subject}: there is no such limiter; create it with a limit first")
    if status == SHMLIMIT_EXISTS:
        return FileExistsError(f"{subject}: exists already")
    kind, advice = _ERRORS.get(status, (ShmlimitError, f"status {status}"))
    detail = ""
    if found != NULL and found.what != NULL:
        what = found.what.decode()
        if found.error:
            detail = f": {what}: {os.strerror(found.error)}"
        elif what in ("file mode", "file kind"):
            detail = f": {what} is {found.found:o}, expected {found.expected:o}"
        else:
            detail = f": {what} is {found.found}, expected {found.expected}"
    elif status == SHMLIMIT_NEVER_ADMISSIBLE:
        detail = ": the weight is above the limit"
    elif status == SHMLIMIT_QUEUE_FULL:
        detail = ": every slot is taken"
    elif status == SHMLIMIT_ORPHANED:
        detail = ": the segment has lost its name"
    elif status == SHMLIMIT_CORRUPT:
        detail = ": impossible bytes"
    return kind(f"{subject}{detail}; {advice}")


def now() -> float:
    """Host time in seconds: the clock of all times in a segment."""
    return os_now_us() / 1e6


def make_undumpable() -> None:
    """From now on, until this process executes another program, nobody but root reads its memory or a core of it."""
    if prctl(PR_SET_DUMPABLE, <unsigned long>0):
        raise OSError(errno, "prctl(PR_SET_DUMPABLE)")


cdef uint32_t weight_milli_of(object weight) except 0:
    cdef double value
    cdef int overflow = 0
    cdef long whole
    if type(weight) is int:
        whole = PyLong_AsLongAndOverflow(weight, &overflow)
        if not overflow and 0 < whole <= <long>LIMIT_MAX:
            return <uint32_t>whole * 1000
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        if not hasattr(type(weight), "__float__") or isinstance(weight, (bool, str, bytes)):
            raise TypeError(f"weight must be a number, not {type(weight).__name__} {weight!r}")
    try:
        value = float(weight)
    except OverflowError:
        value = 0
    if not isfinite(value) or value < 0.001 or value > LIMIT_MAX:
        raise ValueError(f"weight must be from 0.001 to {LIMIT_MAX}, not {weight!r}")
    return <uint32_t>(value * 1000 + 0.5)


cdef bytes label_of(object label):
    if not isinstance(label, str):
        raise TypeError(f"label must be text or None, not {type(label).__name__} {label!r}")
    # A NUL would end it for whoever reads it.
    encoded = label.replace("\0", "?").encode("utf-8", "replace")
    if len(encoded) > LABEL_BYTES:
        # Cut where a character ends.
        encoded = encoded[:LABEL_BYTES].decode("utf-8", "ignore").encode()
    return encoded


cdef class Attachment:
    """One open segment: as a participant, or as an observer that reads only.

    In a forked child it joins as a participant of its own at its first use there. Detaches when collected.
    """

    cdef limiter c
    cdef bint is_attached
    cdef readonly str path
    cdef object __weakref__

    def __init__(self, str path, *, bint observer=False):
        cdef fault found
        cdef bytes encoded = os.fsencode(path)
        memset(&found, 0, sizeof(found))
        status = limiter_attach(&self.c, encoded, observer, &found)
        if status != SHMLIMIT_OK:
            raise failure(status, path, &found)
        self.is_attached = True
        self.path = path

    def __dealloc__(self):
        if self.is_attached:
            limiter_detach(&self.c)

    cdef object failed(self, int status):
        return failure(status, self.path, NULL)

    cdef int check(self, int status) except -1:
        if status != SHMLIMIT_OK:
            raise self.failed(status)
        return 0

    @property
    def inode(self) -> int:
        return self.c.inode

    def publish(self, str path) -> bool:
        """Give a privately created segment its name; False if another process was first."""
        cdef fault found
        memset(&found, 0, sizeof(found))
        status = limiter_publish(&self.c, os.fsencode(path), &found)
        if status == SHMLIMIT_EXISTS:
            return False
        if status != SHMLIMIT_OK:
            raise failure(status, path, &found)
        self.path = path
        return True

    def retire(self) -> None:
        """From now on nobody is admitted by this segment."""
        limiter_retire(&self.c)

    def remove(self) -> None:
        """Retire the segment and take its name away; where another process is at that, leave it to that one."""
        status = limiter_remove(&self.c)
        if status != SHMLIMIT_WOULD_BLOCK:
            self.check(status)

    def keepalive(self) -> int:
        """A new descriptor that keeps this participant alive as long as any process has it open."""
        self.check(limiter_renew(&self.c))
        return os.dup(self.c.fd)

    def wait(self, Permit permit not None, uint64_t deadline_us) -> int:
        """Block until a queued permit is ADMITTED, TIMED_OUT, or a POLLER_WANTED; signal handlers run meanwhile.

        If one raises, the queue is left, a permit granted meanwhile is released, and the exception goes on.
        """
        cdef int status
        while True:
            with nogil:
                status = limiter_wait(&self.c, &permit.c, deadline_us)
            if status != SHMLIMIT_INTERRUPTED:
                break
            try:
                PyErr_CheckSignals()
            except BaseException:
                self.abandon(permit)
                raise
        return self.arrived(permit, status)

    cdef int arrived(self, Permit permit, int status) except -1:
        if status == SHMLIMIT_POLLER_WANTED or status == SHMLIMIT_QUEUED:
            return status
        permit.is_queued = False
        if status == SHMLIMIT_OK:
            permit.is_held = True
        elif status != SHMLIMIT_TIMED_OUT:
            raise self.failed(status)
        return status

    def poll(self, Permit permit not None, *, bint keeps_time=False, bint was_woken=False) -> int:
        """As `wait`, without blocking: also QUEUED. The first waiter of a loop keeps time for the queue: see `look_at`."""
        return self.arrived(permit, limiter_poll(&self.c, &permit.c, keeps_time, was_woken))

    def look_at(self, Permit permit not None) -> float:
        """When, in host seconds, to poll for a permit that keeps time though nobody woke it."""
        return permit.c.look_at_us / 1e6

    def is_waiting(self, Permit permit not None) -> bool:
        """False when there is something to poll for."""
        return limiter_is_waiting(&self.c, &permit.c)

    def withdraw(self, Permit permit not None, *, bint is_timeout) -> int:
        """Leave the queue: TIMED_OUT, which may be counted; ADMITTED if the permit was granted meanwhile: it is held."""
        status = limiter_leave(&self.c, &permit.c)
        if status == SHMLIMIT_WOULD_BLOCK:
            return self.poll(permit)
        permit.is_queued = False
        self.check(status)
        if is_timeout:
            limiter_count_timeout(&self.c)
        return SHMLIMIT_TIMED_OUT

    cdef void abandon(self, Permit permit) noexcept:
        permit.is_queued = False
        if limiter_leave(&self.c, &permit.c) == SHMLIMIT_WOULD_BLOCK:
            limiter_release(&self.c, &permit.c)

    def leave(self, Permit permit not None) -> None:
        """Leave the queue; a permit granted meanwhile is released."""
        self.abandon(permit)

    def reap(self) -> int:
        """Take back the slots of dead participants and of permits past the slot time-out; how many permits."""
        cdef uint32_t taken_back = 0
        self.check(limiter_reap(&self.c, &taken_back))
        return taken_back

    def set_limit(self, uint32_t limit) -> None:
        self.check(limiter_set_limit(&self.c, limit))

    def follow(self, headroom) -> None:
        """Who sets the limit: None, a person; else the elected poller, to the upstream's own less so much."""
        self.check(limiter_follow(&self.c, 0 if headroom is None else 1 + <uint32_t>headroom))

    def set_cooldown(self, uint64_t cooldown_us) -> None:
        self.check(limiter_set_cooldown(&self.c, cooldown_us))

    def set_slot_timeout(self, uint64_t timeout_us) -> None:
        self.check(limiter_set_slot_timeout(&self.c, timeout_us))

    def reset(self) -> None:
        self.check(limiter_reset(&self.c))

    def pause(self, uint64_t until_us, *, bint extend_only=False) -> None:
        self.check(limiter_pause(&self.c, until_us, extend_only))

    def end_pause(self, uint64_t until_us) -> None:
        """End the pause that was set until exactly then; another one stands."""
        self.check(limiter_end_pause(&self.c, until_us))

    def report_refusal(self, uint64_t until_us, Permit permit) -> bool:
        """Pause until then at least, and lower the limit by one unless the permit is of the last overshoot."""
        cdef c_bool reduced = False
        cdef bint is_ours = permit is not None and permit.origin == &self.c
        self.check(limiter_report_refusal(&self.c, &permit.c if is_ours else NULL, until_us, &reduced))
        return reduced

    def elect_poller(self) -> bool:
        """Become the one that polls; False if another process does."""
        status = poller_elect(&self.c)
        if status == SHMLIMIT_WOULD_BLOCK:
            return False
        self.check(status)
        return True

    def resign_poller(self) -> None:
        poller_resign(&self.c)

    def set_lag(self, uint64_t settle_us, uint64_t stale_after_us) -> None:
        """For the elected poller: how long a start may take to show in its count, and how long a sample counts."""
        self.check(poller_set_lag(&self.c, settle_us, stale_after_us))

    def follow_limit(self, uint32_t told) -> bool:
        """For the elected poller: the upstream's own limit, which ours follows; True if ours has changed by it."""
        cdef c_bool changed = False
        self.check(poller_set_limit(&self.c, told, &changed))
        return changed

    def poller_is_alive(self) -> bool:
        self.check(limiter_renew(&self.c))
        return poller_is_alive(&self.c)

    def claim_poller_start(self) -> bool:
        """True for one caller within a second: the one that is to start a poller."""
        return poller_claim_start(&self.c)

    def census(self) -> dict:
        """What a poller needs to know of the slots, now (host microseconds, weights in thousandths)."""
        cdef census counted
        poller_census(&self.c, &counted)
        return counted

    def write_sample(self, uint32_t gate_count_milli, uint64_t t0_us, uint64_t count_milli) -> bool:
        """Write the elected poller's reading; False if a newer one is there."""
        status = poller_write_sample(&self.c, gate_count_milli, t0_us, count_milli)
        if status == SHMLIMIT_LOST:
            return False
        self.check(status)
        return True

    def write_failure(self, uint64_t t0_us, str reason) -> bool:
        """Write that the poll begun at t0 gave no information; False if a newer reading is there."""
        cdef bytes text = reason.encode()[:120].decode("utf-8", "ignore").encode()
        status = poller_write_failure(&self.c, t0_us, text, len(text))
        if status == SHMLIMIT_LOST:
            return False
        self.check(status)
        return True

    def write_fed_sample(
        self, uint32_t least_milli, uint32_t most_milli, uint64_t t0_us, uint64_t count_milli
    ) -> bool:
        """Write what an answer to work told; False if a newer reading is there, or somebody polls."""
        status = feed_write_sample(&self.c, least_milli, most_milli, t0_us, count_milli)
        if status == SHMLIMIT_LOST:
            return False
        self.check(status)
        return True

    def poller_sleep(self, uint32_t bell, uint64_t deadline_us) -> None:
        """Block until the bell rings after that census, the deadline, or a signal (whose handler then runs)."""
        cdef int status
        with nogil:
            status = poller_sleep(&self.c, bell, deadline_us)
        if status == SHMLIMIT_INTERRUPTED:
            PyErr_CheckSignals()
        else:
            self.check(status)

    def living(self) -> list:
        """The pids of the other living participants, each once for every attachment."""
        cdef uint32_t pids[1024]
        self.check(limiter_renew(&self.c))
        count = participants_living(&self.c, pids, 1024)
        return [pids[i] for i in range(min(count, 1024))]

    def config(self) -> bytes:
        """The text that the segment was created with."""
        cdef char text[4088]
        length = limiter_config(&self.c, text, sizeof(text))
        return text[:length]

    def audit(self) -> bool:
        """True if the invariants hold, False if the segment was too busy to tell; raises SegmentCorrupt."""
        cdef fault found
        memset(&found, 0, sizeof(found))
        status = limiter_audit(&self.c, &found)
        if status == SHMLIMIT_WOULD_BLOCK:
            return False
        if status != SHMLIMIT_OK:
            raise failure(status, self.path, &found)
        return True

    def flags(self) -> int:
        cdef snapshot read
        limiter_snapshot(&self.c, &read, NULL, 0)
        return read.flags

    def snapshot(self) -> tuple:
        """(header, occupants): dicts as in shmlimit.h, times in host microseconds, weights in thousandths."""
        cdef snapshot read
        cdef dict header
        cdef list occupants
        cdef occupant *found = <occupant *>PyMem_Malloc(self.c.n_slots * sizeof(occupant))
        if found == NULL:
            raise MemoryError
        try:
            self.check(limiter_renew(&self.c))
            limiter_snapshot(&self.c, &read, found, self.c.n_slots)
            header = read
            occupants = [found[i] for i in range(read.n_occupants)]
        finally:
            PyMem_Free(found)
        header["blocked_by"] = BLOCKED_BY[read.blocked_by]
        header["headroom"] = read.follow - 1 if read.follow else None
        header["reason"] = (<bytes>read.reason).decode("utf-8", "replace")
        for one in occupants:
            one["label"] = one["label"].decode("utf-8", "replace") or None
            one["program"] = one["program"].decode("utf-8", "replace")
        return header, occupants


cdef class Relay:
    """What passes the wakes of one attachment's waiters on to this process's event loops: an eventfd for each.

    An eventfd lives as long as this object, so that `run` in another thread never writes to a stranger's file. Of no use
    in a forked child.
    """

    cdef Attachment attachment
    cdef relay c
    cdef int channels[RELAY_CHANNELS]

    def __cinit__(self):
        for i in range(RELAY_CHANNELS):
            self.c.channels[i] = self.channels[i] = -1

    def __init__(self, Attachment attachment not None):
        self.attachment = attachment

    def __dealloc__(self):
        for i in range(RELAY_CHANNELS):
            if self.channels[i] >= 0:
                close(self.channels[i])

    def connect(self) -> int:
        """An eventfd to which `run` writes from now on."""
        for i in range(RELAY_CHANNELS):
            if self.c.channels[i] < 0:
                if self.channels[i] < 0:
                    self.channels[i] = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                self.c.channels[i] = self.channels[i]
                return self.channels[i]
        raise ShmlimitError(
            f"{self.attachment.path}: more than {RELAY_CHANNELS} event loops of this process wait; use fewer loops"
        )

    def disconnect(self, int channel) -> None:
        """It is written to no more, but for a write that is under way."""
        for i in range(RELAY_CHANNELS):
            if self.c.channels[i] == channel:
                self.c.channels[i] = -1

    def run(self, uint64_t deadline_us) -> None:
        """Block until the deadline, and relay."""
        with nogil:
            bell_relay(&self.attachment.c, &self.c, deadline_us)


# No garbage collector: nothing it refers to refers back, and it is made and dropped on every call's path.
@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class Permit:
    """What a caller holds while it works: released once, by release() or at the end of a `with` block.

    A permit that is collected unreleased is released then, with a ResourceWarning. In a forked child it is inert: the
    parent's. Killed, its process gives it back. It cannot be pickled or copied.
    """

    cdef Attachment attachment
    # Whose it was, to be compared only: a released permit has let go of its attachment.
    cdef limiter *origin
    cdef permit c
    cdef readonly object label
    # The label as the core reads it, should it have to queue again.
    cdef bytes text
    cdef uint64_t released_us
    # Queued: still to be admitted. Held: admitted, and not yet released here.
    cdef bint is_queued, is_held
    # Taken by `with limiter:` in this thread; the one entered before it, in any thread.
    cdef unsigned long thread
    cdef Permit outer

    cdef bint end(self) noexcept:
        cdef bint was_held = True
        if not self.is_held:
            return False
        self.is_held = False
        self.released_us = os_coarse_us()
        if self.attachment is not None:
            was_held = limiter_release(&self.attachment.c, &self.c)
            self.attachment = None
        return was_held

    @property
    def weight(self) -> float:
        """How much of the limit it takes, in permits."""
        return self.c.weight_milli / 1000

    @property
    def lost(self) -> bool:
        """True when it was taken away (by the watchdog, or a reset of the segment) before it was released here."""
        if not self.is_held or self.attachment is None:
            return False
        return not limiter_holds(&self.attachment.c, &self.c)

    @property
    def held_for(self) -> float:
        """Seconds since it was admitted, up to its release."""
        return ((self.released_us or os_coarse_us()) - self.c.admitted_us) / 1e6

    def release(self) -> bool:
        """Give the permit back, without blocking; a waiter may be admitted at once or after the cooldown.

        Returns:
            True once. False if it was already released, was lost, or was inherited through fork: then nothing changes.
        """
        return self.end()

    def touch(self) -> bool:
        """Tell the watchdog that the work goes on, without blocking: the slot time-out starts anew.

        Returns:
            False if the permit is no longer held.
        """
        if not self.is_held:
            return False
        return self.attachment is None or limiter_touch(&self.attachment.c, &self.c)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.end()

    def __dealloc__(self):
        if self.attachment is None:
            return
        if self.is_queued:
            self.attachment.abandon(self)
        elif self.end():
            warn_unreleased()

    def __reduce__(self):
        raise TypeError("a permit belongs to the process that acquired it and cannot be pickled or copied")

    def __repr__(self):
        state = "released" if not self.is_held else "lost" if self.lost else f"held for {self.held_for:.3f} s"
        label = f" {self.label!r}" if self.label is not None else ""
        return f"<Permit{label} weight {self.weight:g}, {state}>"


cdef void warn_unreleased() noexcept:
    PyErr_WarnEx(ResourceWarning, "a permit was collected without release()", 1)


cdef class LimiterBase:
    """The part of Limiter whose cost counts: a permit at once, and the `with` statement."""

    cdef Attachment attachment
    cdef bint is_closed
    # The permits taken by `with limiter:` and still inside, of all threads, the latest first.
    cdef Permit entered

    cdef Permit new_permit(self):
        cdef Permit permit = Permit.__new__(Permit)
        permit.attachment = self.attachment
        if self.attachment is not None:
            permit.origin = &self.attachment.c
        return permit

    def _check_open(self) -> None:
        if self.is_closed:
            raise LimiterClosed(f"{self!r} was closed; open another Limiter of that name")

    cdef int ready(self) except -1:
        self._check_open()
        if self.attachment is None:
            self._look_again()
        return 0

    cdef Permit unlimited(self, object weight, object label):
        cdef Permit permit = self.new_permit()
        permit.c.weight_milli = weight_milli_of(weight)
        if label is not None:
            label_of(label)
        permit.label = label
        permit.c.admitted_us = os_coarse_us()
        permit.is_held = True
        return permit

    cdef int call(
        self, Permit permit, object weight, int priority, int64_t since_ns, object label, bint may_queue, bint has_bell
    ) except -1:
        """limiter_try or limiter_enter: SHMLIMIT_OK, _WOULD_BLOCK or _QUEUED."""
        cdef request wanted
        cdef bytes text
        cdef int status
        wanted.weight_milli = weight_milli_of(weight)
        wanted.priority = priority
        wanted.since_ns = since_ns
        wanted.label = NULL
        wanted.label_length = 0
        wanted.has_bell = has_bell
        if label is not None:
            text = label_of(label)
            wanted.label = text
            wanted.label_length = len(text)
            permit.label = label
            permit.text = text
        if may_queue:
            status = limiter_enter(&self.attachment.c, &wanted, &permit.c)
        else:
            status = limiter_try(&self.attachment.c, &wanted, &permit.c)
        if status == SHMLIMIT_OK:
            permit.is_held = True
        elif status == SHMLIMIT_QUEUED:
            permit.is_queued = True
        elif status != SHMLIMIT_WOULD_BLOCK:
            raise self.refusal(status, weight)
        return status

    cdef object refusal(self, int status, object weight):
        if status != SHMLIMIT_NEVER_ADMISSIBLE:
            return self.attachment.failed(status)
        cdef snapshot read
        limiter_snapshot(&self.attachment.c, &read, NULL, 0)
        lowered = f" (lowered from {read.configured} after 429s)" if read.configured != read.limit else ""
        return NeverAdmissible(
            f"weight {weight!r} is above the limit {read.limit} in force{lowered}; ask for less, or raise the limit"
        )

    def try_acquire(self, *, weight=1, label=None):
        """Take a permit if there is room at once and nobody is waiting, without blocking.

        Args:
            weight: How much of the limit it takes, in permits (0.001 to 8000; to the nearest thousandth).
            label: Text for `status`, cut to 48 bytes of UTF-8; None for none.

        Returns:
            The permit, or None. None leaves nothing behind.

        Raises:
            NeverAdmissible: The weight is above the limit.
            QueueFull: Every slot of the segment is taken.
            SegmentOrphaned: The segment has lost its name.
            LimiterClosed: After close().
        """
        return self.take(weight, label)

    cdef Permit take(self, object weight, object label):
        cdef Permit permit
        if self.is_closed or self.attachment is None:
            self.ready()
            if self.attachment is None:
                return self.unlimited(weight, label)
        permit = self.new_permit()
        return permit if self.call(permit, weight, 0, 0, label, False, False) == SHMLIMIT_OK else None

    @property
    def _attachment(self):
        return self.attachment

    @_attachment.setter
    def _attachment(self, Attachment attachment):
        self.attachment = attachment

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self.is_closed

    def close(self) -> None:
        """Let go of the segment, without blocking: later calls raise LimiterClosed.

        Permits that this object handed out stay valid until they are released. Closing twice does nothing.
        """
        self.is_closed = True
        self.attachment = None

    def _enter(self, weight, int priority, int64_t since_ns, label, bint has_bell=False):
        """(permit, queued): admitted at once, or in the queue; has_bell: to be polled in an event loop."""
        cdef Permit permit
        self.ready()
        if self.attachment is None:
            return self.unlimited(weight, label), False
        permit = self.new_permit()
        return permit, self.call(permit, weight, priority, since_ns, label, True, has_bell) == SHMLIMIT_QUEUED

    def __enter__(self):
        cdef Permit permit = self.take(1, None)
        if permit is None:
            permit = self.acquire()
        permit.thread = PyThread_get_thread_ident()
        permit.outer = self.entered
        self.entered = permit
        return permit

    def __exit__(self, kind, value, traceback):
        cdef unsigned long thread = PyThread_get_thread_ident()
        cdef Permit inner = None
        cdef Permit permit = self.entered
        while permit is not None and permit.thread != thread:
            inner = permit
            permit = permit.outer
        if permit is None:
            # Entered in another thread (a generator that is closed here): all of these weigh 1, so any will do.
            inner, permit = None, self.entered
            if permit is None:
                raise RuntimeError(f"{self!r}: the end of a `with` block that was never begun")
        if inner is None:
            self.entered = permit.outer
        else:
            inner.outer = permit.outer
        permit.outer = None
        permit.end()


def format_segment(int fd, str path, *, uint32_t slots, uint32_t limit, uint32_t configured, uint32_t flags, headroom,
                   uint64_t cooldown_us, uint64_t slot_timeout_us, uint64_t stale_after_us, uint64_t settle_us,
                   bytes config):
    """Fill a new, empty, private file with the segment that is to be at path.

    OSError (ENOSPC: the file system is full) leaves the file unusable.
    """
    cdef segment_settings settings
    cdef fault found
    memset(&found, 0, sizeof(found))
    settings.n_slots = slots
    settings.limit = limit
    settings.configured = configured
    settings.flags = flags
    settings.follow = 0 if headroom is None else 1 + <uint32_t>headroom
    settings.reduced = limit != configured
    settings.cooldown_us = cooldown_us
    settings.slot_timeout_us = slot_timeout_us
    settings.stale_after_us = stale_after_us
    settings.settle_us = settle_us
    settings.config = config
    settings.config_length = len(config)
    status = segment_format(fd, &settings, &found)
    if status != SHMLIMIT_OK:
        raise failure(status, path, &found)
