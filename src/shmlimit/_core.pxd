"""The C face, as csrc/shmlimit.h declares it."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "shmlimit.h" nogil:
    cdef enum shmlimit_status:
        SHMLIMIT_OK
        SHMLIMIT_WOULD_BLOCK
        SHMLIMIT_QUEUED
        SHMLIMIT_TIMED_OUT
        SHMLIMIT_INTERRUPTED
        SHMLIMIT_POLLER_WANTED
        SHMLIMIT_NEVER_ADMISSIBLE
        SHMLIMIT_QUEUE_FULL
        SHMLIMIT_PARTICIPANTS_FULL
        SHMLIMIT_LOST
        SHMLIMIT_NOT_FOUND
        SHMLIMIT_EXISTS
        SHMLIMIT_REFUSED
        SHMLIMIT_INCOMPATIBLE
        SHMLIMIT_CORRUPT
        SHMLIMIT_ORPHANED
        SHMLIMIT_UNSUPPORTED
        SHMLIMIT_SYSTEM

    struct fault:
        const char *what
        uint64_t found
        uint64_t expected
        int error

    struct limiter:
        int fd
        uint32_t index
        uint64_t epoch
        uint32_t n_slots
        bint observer
        uint64_t inode

    struct segment_settings:
        uint32_t n_slots
        uint32_t limit
        uint32_t configured
        uint32_t flags
        uint32_t follow
        bint reduced
        uint64_t cooldown_us
        uint64_t slot_timeout_us
        uint64_t stale_after_us
        uint64_t settle_us
        const char *config
        size_t config_length

    struct request:
        uint32_t weight_milli
        int32_t priority
        int64_t since_ns
        const char *label
        size_t label_length
        bint has_bell

    struct permit:
        uint32_t slot
        uint32_t weight_milli
        uint64_t word
        uint64_t epoch
        uint64_t look_at_us
        uint64_t admitted_us

    struct census:
        uint64_t now_us
        uint32_t visible_milli
        uint32_t visible_count
        uint32_t held_count
        uint32_t waiters
        uint64_t cool_us
        uint32_t bell

    struct occupant:
        bint waiting
        uint32_t pid
        uint32_t weight_milli
        int32_t priority
        uint64_t since_us
        int64_t since_ns
        char program[17]
        char label[49]

    struct snapshot:
        uint64_t now_us
        uint64_t paused_until_us
        uint64_t cooldown_us
        uint64_t slot_timeout_us
        uint64_t stale_after_us
        uint64_t settle_us
        uint32_t limit
        uint32_t configured
        uint32_t flags
        uint32_t follow
        uint32_t n_slots
        uint64_t reduced_at_us
        uint32_t in_flight_milli
        uint32_t held
        uint32_t cooling
        uint32_t queued
        uint32_t foreign_milli
        uint32_t cap_milli
        int blocked_by
        bint sample_fresh
        uint64_t sample_t0_us
        uint64_t count_milli
        uint64_t count_at_us
        uint64_t polled_at_us
        uint32_t poller_pid
        char reason[121]
        uint64_t granted
        uint64_t queued_grants
        uint64_t timeouts
        uint64_t reaped
        uint64_t watchdog
        uint64_t rate_limited
        uint64_t self_heals
        uint32_t n_occupants

    shmlimit_status segment_format(int fd, const segment_settings *settings, fault *fault)
    shmlimit_status limiter_attach(limiter *l, const char *path, bint observer, fault *fault)
    shmlimit_status limiter_publish(limiter *l, const char *path, fault *fault)
    void limiter_detach(limiter *l)
    void limiter_retire(limiter *l)
    shmlimit_status limiter_remove(limiter *l)
    shmlimit_status limiter_renew(limiter *l)

    shmlimit_status limiter_try(limiter *l, const request *request, permit *permit)
    shmlimit_status limiter_enter(limiter *l, const request *request, permit *permit)
    shmlimit_status limiter_wait(limiter *l, permit *permit, uint64_t deadline_us)
    shmlimit_status limiter_poll(limiter *l, permit *permit, bint keeps_time, bint was_woken)
    bint limiter_is_waiting(const limiter *l, const permit *permit)
    void limiter_count_timeout(limiter *l)
    shmlimit_status limiter_leave(limiter *l, permit *permit)

    enum:
        RELAY_CHANNELS

    struct relay:
        int channels[RELAY_CHANNELS]

    void bell_relay(limiter *l, relay *relay, uint64_t deadline_us)

    bint limiter_release(limiter *l, const permit *permit)
    bint limiter_touch(limiter *l, const permit *permit)
    bint limiter_holds(const limiter *l, const permit *permit)
    shmlimit_status limiter_reap(limiter *l, uint32_t *taken_back)

    shmlimit_status limiter_set_limit(limiter *l, uint32_t limit)
    shmlimit_status limiter_follow(limiter *l, uint32_t follow)
    shmlimit_status limiter_reset(limiter *l)
    shmlimit_status limiter_set_cooldown(limiter *l, uint64_t cooldown_us)
    shmlimit_status limiter_set_slot_timeout(limiter *l, uint64_t timeout_us)
    shmlimit_status limiter_pause(limiter *l, uint64_t until_us, bint extend_only)
    shmlimit_status limiter_end_pause(limiter *l, uint64_t until_us)
    ctypedef bint c_bool "bool"
    shmlimit_status limiter_report_refusal(limiter *l, const permit *permit, uint64_t until_us, c_bool *reduced)

    shmlimit_status poller_elect(limiter *l)
    void poller_resign(limiter *l)
    shmlimit_status poller_set_lag(limiter *l, uint64_t settle_us, uint64_t stale_after_us)
    shmlimit_status poller_set_limit(limiter *l, uint32_t told, c_bool *changed)
    bint poller_is_alive(const limiter *l)
    bint poller_claim_start(limiter *l)
    void poller_census(const limiter *l, census *census)
    shmlimit_status poller_write_sample(limiter *l, uint32_t gate_count_milli, uint64_t t0_us, uint64_t count_milli)
    shmlimit_status poller_write_failure(limiter *l, uint64_t t0_us, const char *reason, size_t length)
    shmlimit_status feed_write_sample(limiter *l, uint32_t least_milli, uint32_t most_milli, uint64_t t0_us,
                                      uint64_t count_milli)
    shmlimit_status poller_sleep(limiter *l, uint32_t bell, uint64_t deadline_us)
    uint32_t participants_living(const limiter *l, uint32_t *pids, uint32_t room)

    shmlimit_status limiter_snapshot(const limiter *l, snapshot *snapshot, occupant *occupants, uint32_t room)
    size_t limiter_config(const limiter *l, char *text, size_t room)
    shmlimit_status limiter_audit(const limiter *l, fault *fault)


cdef extern from "os.h" nogil:
    uint64_t os_now_us()
    uint64_t os_coarse_us()


cdef extern from "layout.h" nogil:
    uint32_t FLAG_ONE_PER_POLL
    uint32_t FLAG_CLOSED_ON_STALE
    uint32_t FLAG_USAGE
    uint32_t FLAG_RETIRED
    uint32_t SLOTS_MAX
    uint32_t LIMIT_MAX
    uint32_t LABEL_BYTES
    uint32_t CONFIG_BYTES
