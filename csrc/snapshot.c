/* snapshot.c - read everything for `status`, without writing. Not atomic across slots: each slot is read whole. */
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "os.h"
#include "segment.h"
#include "slots.h"

static void read_text(const shared64 *from, char *to, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++) {
        uint64_t word = load64(&from[i]);

        memcpy(to + i * 8, &word, 8);
    }
    to[bytes] = 0;
}

static void read_occupant(const struct limiter *l, uint32_t i, uint64_t x, struct occupant *o)
{
    const struct slot *slot = &l->slots[i];
    uint32_t participant = slot_participant(x);

    *o = (struct occupant){.waiting = slot_state(x) == SLOT_WAITING, .weight_milli = load32(&slot->weight_milli),
                           .priority = (int32_t)load32(&slot->priority), .since_ns = (int64_t)load64(&slot->since_ns),
                           .arrival = load64(&slot->arrival)};
    o->since_us = stamp_us(load64(o->waiting ? &slot->cool_until : &slot->admitted), slot_generation(x));
    if (participant < PARTICIPANTS) {
        o->pid = load32(&l->participants[participant].pid);
        read_text(l->participants[participant].program, o->program, 16);
    }
    if (load32(&slot->flags) & SLOT_LABELLED)
        read_text(l->labels[i].text, o->label, LABEL_BYTES);
}

static int order(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

/* Holders by age, then waiters in the queue's order. */
static int compare(const void *left, const void *right)
{
    const struct occupant *a = left, *b = right;
    int by;

    if (a->waiting != b->waiting)
        return a->waiting - b->waiting;
    if (!a->waiting)
        return order(a->since_us, b->since_us);
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    by = (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns);
    return by ? by : order(a->arrival, b->arrival);
}

static void read_slots(const struct limiter *l, const struct gate_view *view, struct snapshot *s,
                       struct occupant *occupants, uint32_t room)
{
    uint64_t due_us;

    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++) {
        uint64_t x = load64(&l->slots[i].word);
        enum slot_state state = slot_state(x);
        uint32_t weight_milli = load32(&l->slots[i].weight_milli);

        if (state == SLOT_COOLING) {
            if (gate_is_due(view, &l->slots[i], x, &due_us))
                continue; /* free for whoever asks next */
            s->cooling++;
            s->in_flight_milli += weight_milli;
        }
        if (state != SLOT_HELD && state != SLOT_WAITING)
            continue;
        if (state == SLOT_HELD) {
            s->held++;
            s->in_flight_milli += weight_milli;
        } else
            s->queued++;
        if (s->n_occupants < room) {
            struct occupant *o = &occupants[s->n_occupants];

            read_occupant(l, i, x, o);
            if (load64(&l->slots[i].word) == x)
                s->n_occupants++;
        }
    }
    if (s->n_occupants) /* without room there may be no array at all */
        qsort(occupants, s->n_occupants, sizeof *occupants, compare);
}

static void read_settings(const struct limiter *l, struct snapshot *s)
{
    const struct settings *settings = &l->header->settings;
    const struct queue *queue = &l->header->queue;
    uint64_t limits = load64(&settings->limits);

    s->limit = limits_limit(limits);
    s->configured = limits_configured(limits);
    s->reduced_at_us = limits_reduced_us(limits);
    s->paused_until_us = load64(&settings->paused_until_us);
    s->cooldown_us = load64(&settings->cooldown_us);
    s->slot_timeout_us = load64(&settings->slot_timeout_us);
    s->stale_after_us = load64(&settings->stale_after_us);
    s->settle_us = load64(&settings->settle_us);
    s->flags = load32(&settings->flags);
    s->follow = load32(&settings->follow);
    s->n_slots = l->n_slots;
    s->reaped = load64(&queue->reaped);
    s->watchdog = load64(&queue->watchdog);
    s->rate_limited = load64(&queue->rate_limited);
    s->self_heals = load64(&queue->self_heals);
    for (uint32_t i = 0; i < PARTICIPANTS; i++) {
        s->granted += load64(&l->participants[i].granted);
        s->queued_grants += load64(&l->participants[i].queued_grants);
        s->timeouts += load64(&l->participants[i].timeouts);
    }
}

static void read_poller(const struct limiter *l, struct snapshot *s)
{
    const struct poller *poller = &l->header->poller;

    s->count_milli = load64(&poller->count_milli);
    s->count_at_us = load64(&poller->count_at_us);
    s->polled_at_us = load64(&poller->polled_at_us);
    s->poller_pid = poller_is_alive(l) ? load32(&poller->pid) : 0;
    read_text(poller->reason, s->reason, REASON_BYTES);
}

static enum blocked_by why_blocked(const struct gate_view *view, const struct snapshot *s, uint32_t head_milli)
{
    if (!s->queued)
        return BLOCKED_NOT;
    if (s->in_flight_milli + head_milli <= view->cap_milli)
        return view->one_per_poll && view->fresh ? BLOCKED_FOREIGN : BLOCKED_NOT;
    if (view->bound == BLOCKED_PAUSED || view->bound == BLOCKED_STALE)
        return view->bound;
    if (s->in_flight_milli + head_milli <= view->limit_milli)
        return view->bound;
    return s->cooling ? BLOCKED_COOLING : BLOCKED_FULL;
}

enum shmlimit_status limiter_snapshot(const struct limiter *l, struct snapshot *s, struct occupant *occupants, uint32_t room)
{
    uint32_t head_milli = 0;
    struct gate_view view;

    *s = (struct snapshot){0};
    gate_read(l, &view);
    read_settings(l, s);
    read_poller(l, s);
    read_slots(l, &view, s, occupants, room);
    for (uint32_t i = 0; i < s->n_occupants && !head_milli; i++)
        if (occupants[i].waiting)
            head_milli = occupants[i].weight_milli;
    s->now_us = view.now_us;
    s->cap_milli = view.cap_milli;
    s->foreign_milli = view.foreign_milli;
    s->sample_fresh = view.fresh;
    s->sample_t0_us = gate_t0_us(view.word);
    s->blocked_by = why_blocked(&view, s, head_milli);
    return SHMLIMIT_OK;
}

size_t limiter_config(const struct limiter *l, char *text, size_t room)
{
    uint64_t length = load64(&l->header->config_length);

    if (length > CONFIG_BYTES || length > room)
        return 0;
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = load64(&l->header->config[i / 8]);

        memcpy(text + i, &word, length - i < 8 ? length - i : 8);
    }
    return length;
}
