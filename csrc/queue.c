#include "queue.h"

#include "admission.h"
#include "os.h"
#include "patience.h"
#include "reaper.h"

/* A tick that finds a slot released this long ago, with no cooldown to wait for, repairs somebody's lost grant. */
#define OVERDUE_US 20000

struct key {
    int32_t priority;
    int64_t since_ns;
    uint64_t arrival;
};

struct scan {
    uint32_t best, due; /* NO_SLOT: none */
    uint64_t best_word, due_word;
    uint64_t too_heavy_word; /* a waiter that no room is enough for; 0: none */
    uint64_t due_since_us, changes_at_us;
    uint32_t best_weight_milli;
    bool any_waiting;
    struct key best_key;
};

static struct key key_of(const struct slot *slot)
{
    return (struct key){(int32_t)load32(&slot->priority), (int64_t)load64(&slot->since_ns), load64(&slot->arrival)};
}

static bool is_before(struct key a, struct key b)
{
    if (a.priority != b.priority)
        return a.priority > b.priority;
    if (a.since_ns != b.since_ns)
        return a.since_ns < b.since_ns;
    return a.arrival < b.arrival;
}

static void scan_waiter(const struct limiter *l, const struct gate_view *view, uint32_t i, uint64_t x, struct scan *scan)
{
    uint32_t weight_milli = load32(&l->slots[i].weight_milli);
    struct key key;

    scan->any_waiting = true;
    /* Above a limit that was lowered since: not admissible, so it blocks nobody; it leaves by itself. */
    if (view->limit_milli && weight_milli > view->limit_milli) {
        scan->too_heavy_word = x;
        return;
    }
    key = key_of(&l->slots[i]);
    if (scan->best != NO_SLOT && !is_before(key, scan->best_key))
        return;
    scan->best = i;
    scan->best_word = x;
    scan->best_key = key;
    scan->best_weight_milli = weight_milli;
}

static void scan_cooling(const struct limiter *l, const struct gate_view *view, uint32_t i, uint64_t x, struct scan *scan)
{
    uint64_t due_us;

    if (gate_is_due(view, &l->slots[i], x, &due_us)) {
        scan->due = i;
        scan->due_word = x;
        scan->due_since_us = stamp_us(load64(&l->slots[i].cool_until), slot_generation(x));
    } else if (due_us < scan->changes_at_us)
        scan->changes_at_us = due_us;
}

static void scan_slots(const struct limiter *l, const struct gate_view *view, struct scan *scan)
{
    *scan = (struct scan){.best = NO_SLOT, .due = NO_SLOT, .changes_at_us = view->changes_at_us};
    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++) {
        uint64_t x = load64(&l->slots[i].word);

        if (slot_state(x) == SLOT_WAITING)
            scan_waiter(l, view, i, x, scan);
        else if (slot_state(x) == SLOT_COOLING)
            scan_cooling(l, view, i, x, scan);
    }
}

/* A sleeping head would keep no time: the next cooldown, the pause's end, the liveness of holders. */
static void wake_if_drowsy(struct limiter *l, uint32_t index, uint64_t x)
{
    if (load32(&l->slots[index].flags) & SLOT_DROWSY)
        slots_wake(l, index, x);
}

static void count_self_heal(struct limiter *l, const struct gate_view *view, const struct scan *scan)
{
    if (!load64(&l->header->settings.cooldown_us) && view->confirmed_us == NEVER_US && scan->due_since_us
        && view->now_us > scan->due_since_us + OVERDUE_US)
        count64(&l->header->queue.self_heals);
}

/* Failing over an unchanged A, the slot weighs more than everything together [I1]. */
static enum shmlimit_status expire(struct limiter *l, uint64_t a, const struct scan *scan)
{
    if (admission_expire(l, a, scan->due, scan->due_word))
        return SHMLIMIT_OK;
    return load64(&l->header->admission.word) == a ? SHMLIMIT_CORRUPT : SHMLIMIT_WOULD_BLOCK;
}

/* A dead waiter that cannot be admitted would keep newcomers out for as long as nobody else waits. */
static enum shmlimit_status bury(struct limiter *l, uint64_t waiting, bool *was_dead)
{
    uint32_t participant = slot_participant(waiting), taken_back = 0;
    uint64_t word;

    if (participant >= PARTICIPANTS)
        return SHMLIMIT_CORRUPT;
    *was_dead = participants_is_dead(l, participant, &word);
    return *was_dead ? reaper_reclaim(l, participant, word, &taken_back) : SHMLIMIT_OK;
}

enum shmlimit_status queue_grant(struct limiter *l, bool is_tick, struct queue_outlook *outlook)
{
    bool has_token = false, was_dead = false, has_moved = false;

    *outlook = (struct queue_outlook){.head = NO_SLOT, .changes_at_us = NEVER_US};
    for (uint32_t pass = 0; patience_lasts(pass, l->n_slots); pass++) {
        enum shmlimit_status status;
        struct gate_view view;
        struct scan scan;
        uint64_t a;

        if ((status = admission_settle(l, &a)) != SHMLIMIT_OK)
            return status;
        if (!admission_has_waiters(a))
            return SHMLIMIT_OK;
        gate_read(l, &view);
        scan_slots(l, &view, &scan);
        if (load64(&l->header->admission.word) != a)
            continue;
        if (!scan.any_waiting) {
            if (admission_clear_waiters(l, a))
                return SHMLIMIT_OK;
            continue;
        }
        if (scan.best == NO_SLOT) {
            if ((status = bury(l, scan.too_heavy_word, &was_dead)) != SHMLIMIT_OK || !was_dead)
                return status;
            continue;
        }
        if ((uint64_t)admission_used_milli(a) + scan.best_weight_milli <= view.cap_milli
            && (has_token || (has_token = gate_spend(l, &view)))) {
            if ((status = bury(l, scan.best_word, &was_dead)) != SHMLIMIT_OK)
                return status;
            if (!was_dead && admission_install(l, a, OP_ADMIT_WAITER, scan.best, scan.best_word,
                                               admission_used_milli(a) + scan.best_weight_milli, true)) {
                has_token = false;
                has_moved = true;
                outlook->admitted++;
            }
            continue;
        }
        if (scan.due != NO_SLOT) {
            if ((status = expire(l, a, &scan)) == SHMLIMIT_CORRUPT)
                return status;
            has_moved |= status == SHMLIMIT_OK;
            if (status == SHMLIMIT_OK && is_tick)
                count_self_heal(l, &view, &scan);
            continue;
        }
        if ((status = bury(l, scan.best_word, &was_dead)) != SHMLIMIT_OK)
            return status;
        /* Not dead by now, or reaped by somebody else: then A has changed. */
        if (was_dead || load64(&l->header->admission.word) != a)
            continue;
        outlook->head = scan.best;
        outlook->changes_at_us = scan.changes_at_us;
        wake_if_drowsy(l, scan.best, scan.best_word);
        return SHMLIMIT_OK;
    }
    /* After many moves the rest is left to the ticks of those who still wait. */
    return has_moved ? SHMLIMIT_OK : SHMLIMIT_CORRUPT;
}

enum shmlimit_status queue_expire_one(struct limiter *l, uint64_t a, const struct gate_view *view, bool *found)
{
    struct scan scan;

    scan_slots(l, view, &scan);
    *found = scan.due != NO_SLOT;
    return *found && expire(l, a, &scan) == SHMLIMIT_CORRUPT ? SHMLIMIT_CORRUPT : SHMLIMIT_OK;
}

uint32_t queue_rank(const struct limiter *l, uint32_t slot)
{
    struct key own = key_of(&l->slots[slot]);
    uint32_t rank = 0;

    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++)
        if (i != slot && slot_state(load64(&l->slots[i].word)) == SLOT_WAITING && is_before(key_of(&l->slots[i]), own))
            rank++;
    return rank;
}
