/* sample.c - the upstream's side of the gate: who polls, what it counts here, what it writes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "admission.h"
#include "attach.h"
#include "os.h"
#include "patience.h"
#include "queue.h"
#include "reaper.h"

#define START_EVERY_US 1000000

enum shmlimit_status poller_elect(struct limiter *l)
{
    enum shmlimit_status status = attach_ready(l);
    int locked;

    if (status != SHMLIMIT_OK)
        return status;
    if ((locked = os_lock(l->fd, LOCK_POLLER)) < 0) {
        errno = -locked;
        return SHMLIMIT_SYSTEM;
    }
    if (!locked)
        return SHMLIMIT_WOULD_BLOCK;
    l->is_poller = true;
    store32(&l->header->poller.pid, (uint32_t)getpid());
    return SHMLIMIT_OK;
}

void poller_resign(struct limiter *l)
{
    if (!l->is_poller)
        return;
    l->is_poller = false;
    os_unlock(l->fd, LOCK_POLLER);
}

bool poller_is_alive(const struct limiter *l)
{
    return l->is_poller || os_lock_is_held(l->fd, LOCK_POLLER) != 0;
}

bool poller_claim_start(struct limiter *l)
{
    shared64 *at = &l->header->poller.started_at_us;
    uint64_t seen = load64(at), now_us = os_now_us();
    struct poller *poller = &l->header->poller;

    /* started -> now, for one waiter a second. Crash after: nobody starts one for a second. */
    if (now_us < seen + START_EVERY_US || !cas64(at, seen, now_us))
        return false;
    /* asked -> now, unless an earlier start is still unanswered. Pairs with gate_read(). Crash before: no answer is
     * waited for; after: one is, for CONFIRM_WAIT_US. */
    if (load64(&poller->asked_at_us) <= load64(&poller->polled_at_us))
        store64(&poller->asked_at_us, now_us);
    return true;
}

void poller_census(const struct limiter *l, struct census *census)
{
    uint64_t settle_us = load64(&l->header->settings.settle_us), confirmed_us;

    /* The bell first: a change after it is counted below or rings again. */
    *census = (struct census){.bell = load32(&l->header->poller.bell), .now_us = os_now_us()};
    confirmed_us = gate_t0_us(load64(&l->header->gate.word));
    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++) {
        const struct slot *slot = &l->slots[i];
        uint64_t x = load64(&slot->word), admitted_us, cool_us;

        if (slot_state(x) == SLOT_WAITING)
            census->waiters++;
        if (slot_state(x) == SLOT_HELD) {
            admitted_us = stamp_us(load64(&slot->admitted), slot_generation(x));
            census->held_count++;
            if (admitted_us && admitted_us + settle_us <= census->now_us) {
                census->visible_count++;
                census->visible_milli += load32(&slot->weight_milli);
            }
        }
        if (slot_state(x) == SLOT_COOLING) {
            cool_us = gate_confirmed_from_us(slot, x, settle_us);
            if (cool_us > confirmed_us && (!census->cool_us || cool_us < census->cool_us))
                census->cool_us = cool_us;
        }
    }
}

/* Nothing decided on the last sample lands any more; then the queue is granted what this one allows. */
static enum shmlimit_status take_effect(struct limiter *l)
{
    struct queue_outlook outlook;

    admission_bump(l);
    return queue_grant(l, false, &outlook);
}

static enum shmlimit_status write_gate(struct limiter *l, uint32_t gate_count_milli, uint64_t t0_us)
{
    shared64 *at = &l->header->gate.word;
    uint32_t pass = 0;
    uint64_t seen;

    patience_begin();
    do {
        if (!patience_lasts(pass++, 0))
            return SHMLIMIT_CORRUPT;
        seen = load64(at);
        if (!l->is_poller || t0_us / 1000 * 1000 <= gate_t0_us(seen))
            return SHMLIMIT_LOST;
        /* G -> {count, t0}, t0 growing, unspent. Fails: a granter spent the old one, or another poller was newer.
         * Crash: before: the old sample ages; after, before the bump: it counts from the next change of A on. */
    } while (!cas64(at, seen, gate_word(gate_count_milli, false, t0_us / 1000)));
    store64(&l->header->poller.polled_at_us, os_now_us());
    return take_effect(l);
}

enum shmlimit_status poller_write_sample(struct limiter *l, uint32_t gate_count_milli, uint64_t t0_us, uint64_t count_milli)
{
    store64(&l->header->poller.count_milli, count_milli);
    store64(&l->header->poller.count_at_us, t0_us);
    store64(&l->header->poller.reason[0], 0);
    return write_gate(l, gate_count_milli, t0_us);
}

enum shmlimit_status poller_write_failure(struct limiter *l, uint64_t t0_us, const char *reason, size_t length)
{
    uint64_t text[REASON_BYTES / 8] = {0};

    memcpy(text, reason, length < REASON_BYTES ? length : REASON_BYTES);
    for (uint32_t i = 0; i < REASON_BYTES / 8; i++)
        store64(&l->header->poller.reason[i], text[i]);
    return write_gate(l, NO_COUNT, t0_us);
}

static uint32_t within(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

enum shmlimit_status feed_write_sample(struct limiter *l, uint32_t least_milli, uint32_t most_milli, uint64_t t0_us,
                                       uint64_t count_milli)
{
    const struct settings *settings = &l->header->settings;
    shared64 *at = &l->header->gate.word;
    enum shmlimit_status status;
    uint32_t pass = 0, before;
    uint64_t seen;

    patience_begin();
    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    if (load32(&settings->flags) & (FLAG_USAGE | FLAG_ONE_PER_POLL) || poller_is_alive(l))
        return SHMLIMIT_LOST;
    do {
        if (!patience_lasts(pass++, 0))
            return SHMLIMIT_CORRUPT;
        seen = load64(at);
        if (t0_us / 1000 * 1000 <= gate_t0_us(seen))
            return SHMLIMIT_LOST;
        before = most_milli;
        if (gate_spent(seen) && t0_us < gate_t0_us(seen) + load64(&settings->stale_after_us))
            before = gate_count_milli(seen);
        /* G -> {what was known, as far as this reading bears it out, t0}, t0 growing, spent. Fails: another process's
         * answer came first, which is then what was known. Crash: as in write_gate(). */
    } while (!cas64(at, seen, gate_word(within(before, least_milli, most_milli), true, t0_us / 1000)));
    store64(&l->header->poller.count_milli, count_milli);
    store64(&l->header->poller.count_at_us, t0_us);
    return take_effect(l);
}

enum shmlimit_status poller_sleep(struct limiter *l, uint32_t bell, uint64_t deadline_us)
{
    int rc = os_futex_wait(&l->header->poller.bell, bell, deadline_us);

    if (!rc || rc == -ETIMEDOUT)
        return SHMLIMIT_OK;
    errno = -rc;
    return rc == -EINTR ? SHMLIMIT_INTERRUPTED : SHMLIMIT_SYSTEM;
}
