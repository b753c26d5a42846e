#include "gate.h"

#include "os.h"

static void earlier(uint64_t *at_us, uint64_t candidate_us)
{
    if (candidate_us < *at_us)
        *at_us = candidate_us;
}

bool gate_read_fast(const struct limiter *l, uint32_t *cap_milli)
{
    const struct settings *settings = &l->header->settings;

    *cap_milli = limits_limit(load64(&settings->limits)) * 1000;
    return !load64(&settings->paused_until_us) && !load64(&l->header->gate.word) && !load64(&l->header->gate.refusal)
           && !(load32(&settings->flags) & (FLAG_CLOSED_ON_STALE | FLAG_RETIRED));
}

/* A 429 says that the upstream was full; a sample taken later than its own lag after that knows better. */
static uint32_t refused_foreign_milli(const struct limiter *l, struct gate_view *view, uint64_t stale_after_us)
{
    uint64_t refusal = load64(&l->header->gate.refusal), at_us = gate_t0_us(refusal);
    bool is_answered = gate_count_milli(view->word) != NO_COUNT && gate_t0_us(view->word) >= at_us + view->settle_us;

    if (!refusal || view->now_us >= at_us + stale_after_us || is_answered)
        return 0;
    earlier(&view->changes_at_us, at_us + stale_after_us);
    return gate_count_milli(refusal);
}

/* A poller has been started and has not answered yet: what ends meanwhile is not taken for ended upstream. Else the first
 * second of a busy limiter would be ruled by the cooldown alone. One that never answers delays once. */
static bool answer_is_expected(const struct limiter *l, struct gate_view *view)
{
    uint64_t asked_us = load64(&l->header->poller.asked_at_us);

    if (asked_us <= load64(&l->header->poller.polled_at_us) || view->now_us >= asked_us + CONFIRM_WAIT_US)
        return false;
    earlier(&view->changes_at_us, asked_us + CONFIRM_WAIT_US);
    return true;
}

/* Nobody can ask for the next sample of a feed: it comes with the answer to whoever is admitted. */
static void leave_room_for_one(struct gate_view *view)
{
    uint32_t most_milli = view->limit_milli > 1000 ? view->limit_milli - 1000 : 0;

    if (view->foreign_milli > most_milli)
        view->foreign_milli = most_milli;
}

static void read_sample(const struct limiter *l, struct gate_view *view)
{
    uint64_t stale_after_us = load64(&l->header->settings.stale_after_us);
    uint64_t stale_at_us = gate_t0_us(view->word) + stale_after_us;
    uint32_t refused;

    view->fresh = view->word && gate_count_milli(view->word) != NO_COUNT && view->now_us < stale_at_us;
    if (view->fresh) {
        earlier(&view->changes_at_us, stale_at_us);
        if (!view->one_per_poll) {
            view->foreign_milli = gate_count_milli(view->word);
            if (gate_spent(view->word))
                leave_room_for_one(view);
            else
                view->confirmed_us = gate_t0_us(view->word);
        }
    } else if (!view->one_per_poll && answer_is_expected(l, view))
        view->confirmed_us = 0;
    if (view->one_per_poll)
        return;
    refused = refused_foreign_milli(l, view, stale_after_us);
    if (refused > view->foreign_milli)
        view->foreign_milli = refused;
}

static void bound_to(struct gate_view *view, uint32_t cap_milli, enum blocked_by bound)
{
    view->cap_milli = cap_milli;
    view->bound = bound;
}

void gate_read(const struct limiter *l, struct gate_view *view)
{
    const struct settings *settings = &l->header->settings;
    uint64_t paused_until_us = load64(&settings->paused_until_us);
    uint32_t flags = load32(&settings->flags);

    *view = (struct gate_view){.now_us = os_now_us(), .confirmed_us = NEVER_US, .changes_at_us = NEVER_US,
                               .one_per_poll = flags & FLAG_ONE_PER_POLL, .word = load64(&l->header->gate.word),
                               .settle_us = load64(&settings->settle_us)};
    view->limit_milli = limits_limit(load64(&settings->limits)) * 1000;
    bound_to(view, view->limit_milli, BLOCKED_FULL);
    read_sample(l, view);
    if (view->foreign_milli)
        bound_to(view, view->foreign_milli < view->limit_milli ? view->limit_milli - view->foreign_milli : 0, BLOCKED_FOREIGN);
    if (!view->fresh && flags & FLAG_CLOSED_ON_STALE)
        bound_to(view, 0, BLOCKED_STALE);
    if (view->now_us < paused_until_us) {
        bound_to(view, 0, BLOCKED_PAUSED);
        earlier(&view->changes_at_us, paused_until_us);
    }
    if (flags & FLAG_RETIRED)
        view->cap_milli = 0;
}

uint64_t gate_confirmed_from_us(const struct slot *slot, uint64_t word, uint64_t settle_us)
{
    uint64_t cool_us = stamp_us(load64(&slot->cool_until), slot_generation(word));
    uint64_t shown_us = stamp_us(load64(&slot->admitted), slot_generation(word)) + settle_us;

    return cool_us && cool_us < shown_us ? shown_us : cool_us;
}

bool gate_is_due(const struct gate_view *view, const struct slot *slot, uint64_t word, uint64_t *due_us)
{
    bool by_sample = view->confirmed_us != NEVER_US;
    uint64_t cool_us = by_sample ? gate_confirmed_from_us(slot, word, view->settle_us)
                                 : stamp_us(load64(&slot->cool_until), slot_generation(word));

    *due_us = by_sample ? cool_us + CONFIRM_WAIT_US : cool_us;
    return (cool_us <= view->now_us && cool_us <= view->confirmed_us) || *due_us <= view->now_us;
}

bool gate_spend(struct limiter *l, const struct gate_view *view)
{
    uint64_t g = view->word;

    if (!view->one_per_poll || !view->fresh)
        return true;
    if (gate_spent(g) || gate_count_milli(g) >= view->limit_milli)
        return false;
    /* spent 0 -> 1 on exactly this sample. Pairs with poller_write_sample(), which starts an unspent one.
     * Crash: before: nothing; after: the sample's admission is lost until the next sample. */
    return cas64(&l->header->gate.word, g, gate_word(gate_count_milli(g), true, gate_t0_us(g) / 1000));
}

uint64_t gate_cool_until_us(const struct limiter *l, bool has_waiters)
{
    uint64_t cooldown_us = load64(&l->header->settings.cooldown_us);

    if (cooldown_us)
        return os_now_us() + cooldown_us;
    if (has_waiters || load32(&l->header->settings.flags) & FLAG_USAGE || load64(&l->header->gate.word))
        return os_now_us();
    return 0;
}

void gate_ring(struct limiter *l)
{
    struct poller *poller = &l->header->poller;

    if (!(load32(&l->header->settings.flags) & FLAG_USAGE) && !load64(&l->header->gate.word))
        return;
    /* bell -> bell + 1. Pairs with poller_census(), which reads it first. Crash before the wake: the poller's own
     * period, a second while anybody waits. */
    add32(&poller->bell, 1);
    os_futex_wake(&poller->bell);
}
