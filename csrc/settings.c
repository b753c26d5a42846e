/* settings.c - what people and 429s change at run time. Each change is stored, then A is bumped, so that no admission
 * decided on the old value lands later; then the queue is granted what the new one allows. A crash between these
 * leaves a change that counts from the next change of A on, and a grant to the waiters' next tick. */
#include "admission.h"
#include "attach.h"
#include "os.h"
#include "patience.h"
#include "queue.h"

static enum shmlimit_status take_effect(struct limiter *l)
{
    struct queue_outlook outlook;

    admission_bump(l);
    return queue_grant(l, false, &outlook);
}

static enum shmlimit_status change(struct limiter *l, shared64 *setting, uint64_t value)
{
    enum shmlimit_status status;

    patience_begin();
    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    store64(setting, value);
    return take_effect(l);
}

/* A person knows better than the last 429: what it said of foreign load goes with what it did to the limit.
 * any -> 0. Crash: before: it counts for stale_after at most; after: the limit is still to be set. */
static void forget_refusal(struct limiter *l) { store64(&l->header->gate.refusal, 0); }

enum shmlimit_status limiter_set_limit(struct limiter *l, uint32_t limit)
{
    forget_refusal(l);
    return change(l, &l->header->settings.limits, limits_word(limit, limit, 0));
}

enum shmlimit_status limiter_follow(struct limiter *l, uint32_t follow)
{
    enum shmlimit_status status;

    patience_begin();
    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    /* any -> any. Pairs with poller_set_limit(). Who is to set the limit by hand comes here first: a poller that has not
     * seen this yet has read limits before, so its CAS fails or what is set by hand comes after it. In the segment, as they
     * may share nothing else. Crash: before: as it was; after: it is as it says, with the old limit. */
    store32(&l->header->settings.follow, follow);
    return SHMLIMIT_OK;
}

/* What the upstream's limit leaves us: 1 at least, but nothing where it has nothing. */
static uint32_t less_headroom(uint32_t told, uint32_t headroom)
{
    uint32_t most = told < LIMIT_MAX ? told : LIMIT_MAX;

    return most > headroom ? most - headroom : most > 0;
}

enum shmlimit_status poller_set_limit(struct limiter *l, uint32_t told, bool *changed)
{
    uint64_t seen = load64(&l->header->settings.limits);
    uint32_t follow = load32(&l->header->settings.follow), limit;

    *changed = false;
    if (!l->is_poller || !follow)
        return SHMLIMIT_OK;
    limit = less_headroom(told, follow - 1);
    if (limit == limits_configured(seen))
        return SHMLIMIT_OK;
    patience_begin();
    /* limits -> the upstream's, not reduced: it is newer than any 429 of the old one. Fails: somebody has set or lowered it,
     * and the next sample says whether that stands. Crash: before: the old one; after: it counts from the next change of
     * A on. */
    *changed = cas64(&l->header->settings.limits, seen, limits_word(limit, limit, 0));
    return *changed ? take_effect(l) : SHMLIMIT_OK;
}

enum shmlimit_status limiter_set_cooldown(struct limiter *l, uint64_t cooldown_us)
{
    return change(l, &l->header->settings.cooldown_us, cooldown_us);
}

enum shmlimit_status limiter_set_slot_timeout(struct limiter *l, uint64_t timeout_us)
{
    return change(l, &l->header->settings.slot_timeout_us, timeout_us);
}

enum shmlimit_status poller_set_lag(struct limiter *l, uint64_t settle_us, uint64_t stale_after_us)
{
    /* Before its first sample. Crash between the two: the next poller sets both; each is right for some source. */
    store64(&l->header->settings.settle_us, settle_us);
    return change(l, &l->header->settings.stale_after_us, stale_after_us);
}

enum shmlimit_status limiter_reset(struct limiter *l)
{
    shared64 *at = &l->header->settings.limits;
    enum shmlimit_status status;
    uint32_t pass = 0;
    uint64_t seen;

    patience_begin();
    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    /* limit -> configured, reduction forgotten, by CAS so that a limit set meanwhile stands.
     * Crash: before or after: one of the two limits, whole. */
    do {
        if (!patience_lasts(pass++, 0))
            return SHMLIMIT_CORRUPT;
        seen = load64(at);
    } while (!cas64(at, seen, limits_word(limits_configured(seen), limits_configured(seen), 0)));
    forget_refusal(l);
    return change(l, &l->header->settings.paused_until_us, 0);
}

static enum shmlimit_status pause_until(struct limiter *l, uint64_t until_us, bool extend_only)
{
    shared64 *at = &l->header->settings.paused_until_us;
    enum shmlimit_status status = attach_ready(l);
    uint32_t pass = 0;
    uint64_t seen;

    if (status != SHMLIMIT_OK)
        return status;
    /* until -> later (or another) until, by CAS so that the longest of several 429s stands. Crash: one of them, whole. */
    do {
        if (!patience_lasts(pass++, 0))
            return SHMLIMIT_CORRUPT;
        seen = load64(at);
    } while (!(extend_only && seen >= until_us) && !cas64(at, seen, until_us));
    return take_effect(l);
}

enum shmlimit_status limiter_pause(struct limiter *l, uint64_t until_us, bool extend_only)
{
    patience_begin();
    return pause_until(l, until_us, extend_only);
}

enum shmlimit_status limiter_end_pause(struct limiter *l, uint64_t until_us)
{
    enum shmlimit_status status;

    patience_begin();
    if ((status = attach_ready(l)) != SHMLIMIT_OK)
        return status;
    /* exactly this pause -> 0: one that a person or a 429 has put in its place stands. Crash: before: it ends by itself;
     * after: it has ended. */
    if (!cas64(&l->header->settings.paused_until_us, until_us, 0))
        return SHMLIMIT_OK;
    return take_effect(l);
}

static uint32_t held_milli(const struct limiter *l)
{
    uint64_t sum = 0;

    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++)
        if (slot_state(load64(&l->slots[i].word)) == SLOT_HELD)
            sum += load32(&l->slots[i].weight_milli);
    return sum < NO_COUNT ? (uint32_t)sum : NO_COUNT - 1;
}

/* The upstream was full just now, without the refused one: so much of it is not ours. Where nobody samples the upstream,
 * nothing would ever take that back: then the pause and the lowered limit are all. */
static void note_full(struct limiter *l, uint32_t refused_milli, uint64_t now_us)
{
    uint64_t g = load64(&l->header->gate.word);
    bool is_sampled = load32(&l->header->settings.flags) & FLAG_USAGE || (g && !gate_spent(g));
    uint32_t limit_milli = limits_limit(load64(&l->header->settings.limits)) * 1000, held = held_milli(l);
    uint32_t ours = held > refused_milli ? held - refused_milli : 0;

    if (!is_sampled)
        return;
    /* any -> {limit - ours, now}: the last 429 stands. Crash: before: the pause alone; after: it counts for stale_after. */
    store64(&l->header->gate.refusal, gate_word(limit_milli > ours ? limit_milli - ours : 0, false, now_us / 1000));
}

/* A permit admitted no later than the last reduction belongs to the overshoot that caused it. */
static bool reduce(struct limiter *l, uint64_t admitted_us, uint64_t now_us)
{
    shared64 *at = &l->header->settings.limits;
    uint64_t seen, lowered;
    uint32_t pass = 0;

    do {
        if (!patience_lasts(pass++, 0))
            return false;
        seen = load64(at);
        if (limits_limit(seen) <= 1 || (admitted_us && admitted_us / 1000 * 1000 <= limits_reduced_us(seen)))
            return false;
        lowered = limits_word(limits_limit(seen) - 1, limits_configured(seen), now_us / 1000);
        /* limit -> limit - 1 with its time in the same word: two reports of one overshoot cannot both pass the check.
         * Crash: before: not reduced; after: reduced, and the pause stands already. */
    } while (!cas64(at, seen, lowered));
    return true;
}

enum shmlimit_status limiter_report_refusal(struct limiter *l, const struct permit *permit, uint64_t until_us, bool *reduced)
{
    uint64_t now_us = os_now_us();
    enum shmlimit_status status;

    *reduced = false;
    patience_begin();
    if ((status = pause_until(l, until_us, true)) != SHMLIMIT_OK)
        return status;
    count64(&l->header->queue.rate_limited);
    note_full(l, permit && limiter_holds(l, permit) ? permit->weight_milli : 0, now_us);
    *reduced = reduce(l, permit ? permit->admitted_us : 0, now_us);
    return take_effect(l);
}
