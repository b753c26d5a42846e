#include "park.h"

#include <errno.h>

#include "attach.h"
#include "os.h"
#include "patience.h"
#include "queue.h"
#include "reaper.h"

/* A parked waiter looks again after a tick, +-20 % so that many do not look at once. It bounds every lost wake and is the
 * reclaim latency of a killed holder, promised as 150 ms at p99. Only the first few in the queue tick that fast: the others
 * would burn CPU to learn nothing, and whoever makes room wakes a drowsy waiter that becomes the head. */
#define TICK_US UINT64_C(100000)
#define FAST_RANKS 8
#define DROWSY_TICKS_MAX 20

static uint64_t jittered(uint64_t interval_us, uint64_t seed)
{
    uint64_t spread = interval_us * 2 / 5;

    return interval_us - spread / 2 + (seed * UINT64_C(0x9e3779b97f4a7c15) >> 32) % (spread + 1);
}

/* Admitted with the wake neither announced nor still owed: a bug somewhere, made good by this look. */
static void count_missed_wake(struct limiter *l, const struct permit *permit, uint32_t wake)
{
    uint64_t a = load64(&l->header->admission.word);

    if (admission_op(a) == OP_ADMIT_WAITER && admission_slot(a) == permit->slot)
        return;
    if (load32(&l->slots[permit->slot].wake) == wake)
        count64(&l->header->queue.self_heals);
}

static bool wants_poller(struct limiter *l)
{
    return load32(&l->header->settings.flags) & FLAG_USAGE && !poller_is_alive(l) && poller_claim_start(l);
}

/* Waiting, with nobody's wake: keep time for the queue. permit->look_at_us is when to look again. */
static enum shmlimit_status look(struct limiter *l, struct permit *permit, bool is_tick, uint64_t now_us)
{
    struct slot *slot = &l->slots[permit->slot];
    uint32_t flags = load32(&slot->flags), taken_back = 0, rank, ticks = 1;
    struct queue_outlook outlook;
    enum shmlimit_status status;

    if (is_tick) {
        if (segment_is_orphan(l))
            limiter_retire(l);
        if ((status = reaper_sweep(l, REAP_OWNERS, &taken_back)) != SHMLIMIT_OK)
            return status;
    }
    if (load32(&l->header->settings.flags) & FLAG_RETIRED)
        return SHMLIMIT_ORPHANED;
    if ((status = queue_grant(l, is_tick && !taken_back, &outlook)) != SHMLIMIT_OK)
        return status;
    if (is_tick && (rank = queue_rank(l, permit->slot)) >= FAST_RANKS)
        ticks = rank / 4 < DROWSY_TICKS_MAX ? rank / 4 : DROWSY_TICKS_MAX;
    permit->look_at_us = now_us + jittered(ticks * TICK_US, now_us + permit->slot);
    if (outlook.head == permit->slot && outlook.changes_at_us < permit->look_at_us)
        permit->look_at_us = outlook.changes_at_us;
    /* DROWSY on or off, a hint to wake_if_drowsy(): stale, or after a crash, it costs one wake too many or leaves a
     * head to its neighbours' ticks. */
    if (!(flags & SLOT_DROWSY) != (ticks == 1))
        store32(&slot->flags, flags ^ SLOT_DROWSY);
    return wants_poller(l) ? SHMLIMIT_POLLER_WANTED : SHMLIMIT_OK;
}

static bool can_never_fit(const struct limiter *l, const struct permit *permit)
{
    uint32_t limit = limits_limit(load64(&l->header->settings.limits));

    return limit && permit->weight_milli > limit * 1000;
}

static uint64_t waiting_word(const struct permit *permit)
{
    return slot_word(SLOT_WAITING, slot_participant(permit->word), slot_generation(permit->word));
}

/* Where the waiter stands; SHMLIMIT_QUEUED: where it stood. */
static enum shmlimit_status stand(const struct limiter *l, const struct permit *permit)
{
    uint64_t x = load64(&l->slots[permit->slot].word);

    if (x == permit->word)
        return SHMLIMIT_OK;
    if (x != waiting_word(permit))
        return SHMLIMIT_LOST;
    return can_never_fit(l, permit) ? SHMLIMIT_NEVER_ADMISSIBLE : SHMLIMIT_QUEUED;
}

enum shmlimit_status park_look(struct limiter *l, struct permit *permit, bool was_woken)
{
    enum shmlimit_status status = stand(l, permit);
    uint64_t now_us;

    if (status != SHMLIMIT_QUEUED)
        return status;
    now_us = os_now_us();
    if (!was_woken && now_us < permit->look_at_us)
        return SHMLIMIT_QUEUED;
    status = look(l, permit, !was_woken, now_us);
    return status == SHMLIMIT_OK ? stand(l, permit) : status;
}

enum shmlimit_status park_until(struct limiter *l, struct permit *permit, uint64_t deadline_us)
{
    shared32 *at = &l->slots[permit->slot].wake;
    bool was_woken = !permit->look_at_us;

    for (uint32_t pass = 0;; pass++) {
        /* Before the word: a wake between the two then changes what os_futex_wait() compares. */
        uint32_t wake = load32(at);
        enum shmlimit_status status = park_look(l, permit, was_woken);
        int rc;

        /* Woken without end: to the caller's signals, and then on with fresh patience. */
        if (status == SHMLIMIT_QUEUED && (!patience_lasts(pass, l->n_slots) || patience_is_low()))
            return SHMLIMIT_INTERRUPTED;
        if (status != SHMLIMIT_QUEUED)
            return status;
        if (os_now_us() >= deadline_us)
            return SHMLIMIT_TIMED_OUT;
        rc = os_futex_wait(at, wake, permit->look_at_us < deadline_us ? permit->look_at_us : deadline_us);
        if (rc == -EINTR)
            return SHMLIMIT_INTERRUPTED;
        if (rc < 0 && rc != -ETIMEDOUT) {
            errno = -rc; /* futexes are denied since we attached: looking again at once would never end */
            return SHMLIMIT_SYSTEM;
        }
        was_woken = rc == 0;
        if (was_woken)
            continue;
        if (load64(&l->slots[permit->slot].word) == permit->word)
            count_missed_wake(l, permit, wake);
        else if (os_now_us() < deadline_us)
            /* A signal may have come just before the sleep: let the caller see to it once a tick. */
            return SHMLIMIT_INTERRUPTED;
    }
}
