#include "entry.h"

#include "admission.h"
#include "attach.h"
#include "os.h"
#include "patience.h"
#include "queue.h"
#include "reaper.h"

static bool fits(uint64_t a, uint32_t weight_milli, uint32_t cap_milli)
{
    return !admission_has_waiters(a) && admission_used_milli(a) + weight_milli <= cap_milli;
}

void entry_hold(struct limiter *l, struct permit *permit)
{
    count64(&l->participants[l->index].granted);
    permit->word = slot_moved(permit->word, SLOT_HELD);
}

/* ADMIT_OWN of the CLAIMED slot in permit, if there is room under a. */
static bool admit_own(struct limiter *l, uint64_t a, struct permit *permit, uint32_t cap_milli)
{
    if (!fits(a, permit->weight_milli, cap_milli)
        || !admission_install(l, a, OP_ADMIT_OWN, permit->slot, permit->word,
                              admission_used_milli(a) + permit->weight_milli, false))
        return false;
    entry_hold(l, permit);
    return true;
}

static void stamp_admitted(struct limiter *l, struct permit *permit)
{
    permit->admitted_us = os_coarse_us();
    fill64(&l->slots[permit->slot].admitted, stamp(slot_generation(permit->word), permit->admitted_us));
}

static bool claim(struct limiter *l, const struct request *request, struct permit *permit)
{
    *permit = (struct permit){.weight_milli = request->weight_milli, .epoch = l->epoch};
    if (!slots_claim(l, &permit->slot, &permit->word))
        return false;
    slots_fill(l, permit->slot, request);
    stamp_admitted(l, permit);
    return true;
}

/* For a caller that finds no room: whatever the dead, the stuck and the cooled still occupy. */
static enum shmlimit_status make_room(struct limiter *l)
{
    struct queue_outlook outlook;
    uint32_t taken_back = 0;
    enum shmlimit_status status = reaper_sweep(l, REAP_HOLDERS, &taken_back);

    if (segment_is_orphan(l))
        limiter_retire(l);
    return status == SHMLIMIT_OK ? queue_grant(l, false, &outlook) : status;
}

/* Into the queue, over the settled a. */
static bool enqueue(struct limiter *l, uint64_t a, struct permit *permit)
{
    struct slot *slot = &l->slots[permit->slot];

    /* arrivals -> arrivals + 1: our place among equals. Crash: before or after: a number nobody uses. */
    fill64(&slot->arrival, add64(&l->header->queue.arrivals, 1));
    fill64(&slot->admitted, 0);
    fill64(&slot->cool_until, stamp(slot_generation(permit->word), os_now_us()));
    if (admission_install(l, a, OP_ENQUEUE, permit->slot, permit->word, admission_used_milli(a), true))
        return true;
    stamp_admitted(l, permit); /* the next attempt may admit it: unset, no watchdog would ever take it back */
    return false;
}

/* With a slot CLAIMED: admitted (OK), queued (QUEUED, may_queue only), or given back (WOULD_BLOCK and errors). */
static enum shmlimit_status admit_slow(struct limiter *l, struct permit *permit, bool may_queue)
{
    bool made_room = false, expired = false;

    for (uint32_t pass = 0; patience_lasts(pass, l->n_slots); pass++) {
        enum shmlimit_status status;
        struct gate_view view;
        uint64_t a;

        if ((status = admission_settle(l, &a)) != SHMLIMIT_OK)
            return status;
        gate_read(l, &view);
        if (load32(&l->header->settings.flags) & FLAG_RETIRED)
            return SHMLIMIT_ORPHANED;
        if (view.limit_milli && permit->weight_milli > view.limit_milli)
            return SHMLIMIT_NEVER_ADMISSIBLE;
        if (fits(a, permit->weight_milli, view.cap_milli)) {
            if (admit_own(l, a, permit, view.cap_milli))
                return SHMLIMIT_OK;
            continue;
        }
        if (!made_room) {
            if ((status = make_room(l)) != SHMLIMIT_OK)
                return status;
            made_room = true;
            continue;
        }
        if (!admission_has_waiters(a)) {
            if ((status = queue_expire_one(l, a, &view, &expired)) != SHMLIMIT_OK)
                return status;
            if (expired && !patience_is_low())
                continue;
        }
        if (!may_queue) {
            /* What another has expired since a was read was in that sum, and the scan did not find it. */
            if (admission_used_milli(load64(&l->header->admission.word)) < admission_used_milli(a) && !patience_is_low())
                continue;
            return SHMLIMIT_WOULD_BLOCK;
        }
        if (enqueue(l, a, permit))
            return SHMLIMIT_QUEUED;
    }
    return SHMLIMIT_CORRUPT;
}

/* No slot is FREE: of what can be, the dead are looked at once, and what has cooled as long as there is any. */
static enum shmlimit_status claim_slow(struct limiter *l, const struct request *request, struct permit *permit)
{
    uint32_t taken_back = 0;
    enum shmlimit_status status = reaper_sweep_table(l, &taken_back);

    for (uint32_t pass = 0; status == SHMLIMIT_OK && patience_lasts(pass, l->n_slots); pass++) {
        struct gate_view view;
        bool found;
        uint64_t a;

        if ((status = admission_settle(l, &a)) != SHMLIMIT_OK)
            return status;
        gate_read(l, &view);
        if ((status = queue_expire_one(l, a, &view, &found)) != SHMLIMIT_OK)
            return status;
        if (claim(l, request, permit))
            return SHMLIMIT_OK;
        /* What was found may have been expired by another first, and not be FREE yet: then the next round finishes that. */
        if (!found)
            return SHMLIMIT_QUEUE_FULL;
    }
    return status == SHMLIMIT_OK ? SHMLIMIT_CORRUPT : status;
}

enum shmlimit_status entry_take(struct limiter *l, const struct request *request, struct permit *permit, bool may_queue)
{
    enum shmlimit_status status;
    uint32_t cap_milli;
    uint64_t a;

    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    if (!claim(l, request, permit) && (status = claim_slow(l, request, permit)) != SHMLIMIT_OK)
        return status;
    /* A before the settings: a change of them after that changes A. */
    if (admission_settle(l, &a) == SHMLIMIT_OK && gate_read_fast(l, &cap_milli) && admit_own(l, a, permit, cap_milli))
        return SHMLIMIT_OK;
    status = admit_slow(l, permit, may_queue);
    if (status != SHMLIMIT_OK && status != SHMLIMIT_QUEUED)
        slots_give_back(l, permit->slot, permit->word);
    return status;
}
