/* limiter.c - acquire and release: the only place that combines entry, queue, parking and slots. */
#include <errno.h>

#include "admission.h"
#include "attach.h"
#include "entry.h"
#include "os.h"
#include "park.h"
#include "patience.h"
#include "queue.h"
#include "reaper.h"

/* Admitted by somebody else's grant. */
static void hold_granted(struct limiter *l, struct permit *permit)
{
    entry_hold(l, permit);
    permit->admitted_us = os_coarse_us();
}

enum shmlimit_status limiter_try(struct limiter *l, const struct request *request, struct permit *permit)
{
    patience_begin();
    return entry_take(l, request, permit, false);
}

static enum shmlimit_status leave(struct limiter *l, struct permit *permit)
{
    uint64_t waiting = slot_word(SLOT_WAITING, slot_participant(permit->word), slot_generation(permit->word));
    struct queue_outlook outlook;

    if (permit->epoch != limiter_epoch())
        return SHMLIMIT_LOST;
    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        uint64_t a, x;
        enum shmlimit_status status = admission_settle(l, &a);

        if (status != SHMLIMIT_OK)
            return status;
        x = load64(&l->slots[permit->slot].word);
        if (x == permit->word)
            return SHMLIMIT_WOULD_BLOCK;
        if (x != waiting)
            return SHMLIMIT_LOST;
        if (admission_install(l, a, OP_CANCEL, permit->slot, x, admission_used_milli(a), admission_has_waiters(a)))
            return queue_grant(l, false, &outlook);
    }
    return SHMLIMIT_CORRUPT;
}

static enum shmlimit_status queue_up(struct limiter *l, const struct request *request, struct permit *permit)
{
    enum shmlimit_status status = entry_take(l, request, permit, true);
    struct queue_outlook outlook;

    if (status != SHMLIMIT_QUEUED)
        return status;
    permit->word = slot_moved(permit->word, SLOT_HELD);
    permit->request = *request;
    status = queue_grant(l, false, &outlook);
    if (status != SHMLIMIT_OK && leave(l, permit) != SHMLIMIT_WOULD_BLOCK)
        return status;
    if (load64(&l->slots[permit->slot].word) == permit->word) {
        hold_granted(l, permit);
        return SHMLIMIT_OK;
    }
    gate_ring(l);
    return SHMLIMIT_QUEUED;
}

enum shmlimit_status limiter_enter(struct limiter *l, const struct request *request, struct permit *permit)
{
    patience_begin();
    return queue_up(l, request, permit);
}

/* Granted and taken back by the watchdog before this process looked: it was stopped, and still waits for its turn. */
static enum shmlimit_status queue_again(struct limiter *l, struct permit *permit)
{
    struct request request = permit->request;
    enum shmlimit_status status = request.weight_milli ? queue_up(l, &request, permit) : SHMLIMIT_LOST;

    if (status == SHMLIMIT_OK)
        count64(&l->participants[l->index].queued_grants);
    return status;
}

/* What the waiter has come to, unless it goes on waiting; leaves the queue if that is not a permit. */
static enum shmlimit_status arrive(struct limiter *l, struct permit *permit, enum shmlimit_status status)
{
    int error = errno; /* of SHMLIMIT_SYSTEM */

    if (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED || status == SHMLIMIT_POLLER_WANTED)
        return status;
    if (status == SHMLIMIT_LOST)
        return queue_again(l, permit);
    if (status != SHMLIMIT_OK && leave(l, permit) != SHMLIMIT_WOULD_BLOCK) {
        if (status == SHMLIMIT_TIMED_OUT)
            limiter_count_timeout(l);
        errno = error;
        return status;
    }
    hold_granted(l, permit);
    count64(&l->participants[l->index].queued_grants);
    return SHMLIMIT_OK;
}

enum shmlimit_status limiter_wait(struct limiter *l, struct permit *permit, uint64_t deadline_us)
{
    if (permit->epoch != limiter_epoch())
        return SHMLIMIT_LOST; /* the parent waits in this slot */
    patience_begin();
    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        enum shmlimit_status status = arrive(l, permit, park_until(l, permit, deadline_us));

        if (status != SHMLIMIT_QUEUED)
            return status;
    }
    return SHMLIMIT_INTERRUPTED;
}

enum shmlimit_status limiter_poll(struct limiter *l, struct permit *permit, bool keeps_time, bool was_woken)
{
    if (permit->epoch != limiter_epoch())
        return SHMLIMIT_LOST;
    patience_begin();
    if (!keeps_time)
        permit->look_at_us = NEVER_US;
    return arrive(l, permit, park_look(l, permit, keeps_time && (was_woken || permit->look_at_us == NEVER_US)));
}

bool limiter_is_waiting(const struct limiter *l, const struct permit *permit)
{
    return load64(&l->slots[permit->slot].word)
           == slot_word(SLOT_WAITING, slot_participant(permit->word), slot_generation(permit->word));
}

void limiter_count_timeout(struct limiter *l)
{
    count64(&l->participants[l->index].timeouts);
}

enum shmlimit_status limiter_leave(struct limiter *l, struct permit *permit)
{
    patience_begin();
    return leave(l, permit);
}

/* The slot is COOLING and nothing will look at when it cools: back to FREE at once, or left to whoever changes A. */
static void expire_now(struct limiter *l, const struct permit *permit)
{
    uint64_t cooling = slot_moved(permit->word, SLOT_COOLING), a;

    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++)
        if (admission_settle(l, &a) != SHMLIMIT_OK || load64(&l->slots[permit->slot].word) != cooling
            || admission_expire(l, a, permit->slot, cooling))
            return;
}

bool limiter_release(struct limiter *l, const struct permit *permit)
{
    bool has_waiters = admission_has_waiters(load64(&l->header->admission.word));
    uint64_t cool_until_us = gate_cool_until_us(l, has_waiters);
    struct queue_outlook outlook;

    patience_begin();
    if (permit->epoch != limiter_epoch() || !slots_cool(l, permit->slot, permit->word, cool_until_us))
        return false;
    if (!cool_until_us)
        expire_now(l, permit);
    if (admission_has_waiters(load64(&l->header->admission.word))) {
        gate_ring(l);
        queue_grant(l, false, &outlook);
    }
    return true;
}

bool limiter_holds(const struct limiter *l, const struct permit *permit)
{
    return permit->epoch == limiter_epoch() && load64(&l->slots[permit->slot].word) == permit->word;
}

bool limiter_touch(struct limiter *l, const struct permit *permit)
{
    patience_begin();
    if (!limiter_holds(l, permit))
        return false;
    slots_stamp(&l->slots[permit->slot], &l->slots[permit->slot].touched, slot_generation(permit->word), os_now_us());
    return limiter_holds(l, permit);
}

enum shmlimit_status limiter_reap(struct limiter *l, uint32_t *taken_back)
{
    struct queue_outlook outlook;
    enum shmlimit_status status;

    patience_begin();
    status = attach_ready(l);
    *taken_back = 0;
    if (status == SHMLIMIT_OK && (status = reaper_sweep_table(l, taken_back)) == SHMLIMIT_OK)
        status = queue_grant(l, false, &outlook);
    return status;
}
