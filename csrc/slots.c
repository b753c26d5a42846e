#include "slots.h"

#include <string.h>

#include "os.h"
#include "patience.h"

uint32_t slots_high_water(const struct limiter *l)
{
    uint32_t high_water = load32(&l->header->queue.high_water);

    return high_water < l->n_slots ? high_water : l->n_slots;
}

/* old -> index + 1, before the slot can be CLAIMED, so that every sweep up to it sees every claimed slot.
 * Crash: before: nothing; after: sweeps look at one more FREE slot. */
static bool raise_high_water(struct limiter *l, uint32_t index)
{
    shared32 *at = &l->header->queue.high_water;
    uint32_t seen = load32(at);

    for (uint32_t pass = 0; seen <= index && !atomic_compare_exchange_strong(at, &seen, index + 1); pass++) {
        if (!patience_lasts(pass, 0))
            return false;
        STEP();
    }
    return true;
}

static bool claim(struct limiter *l, uint32_t index, uint64_t *word)
{
    struct slot *slot = &l->slots[index];
    uint64_t x = load64(&slot->word);

    if (slot_state(x) != SLOT_FREE)
        return false;
    if (!raise_high_water(l, index))
        return false;
    *word = slot_word(SLOT_CLAIMED, l->index, slot_generation(x) + 1);
    /* FREE -> CLAIMED(me, generation + 1). Pairs with the EXPIRE or CANCEL that freed it.
     * Crash: before: nothing; after: the slot names us and reaper_reclaim() gives it back. */
    return cas64(&slot->word, x, *word);
}

static bool slots_claim_slow(struct limiter *l, uint32_t *index, uint64_t *word)
{
    uint32_t start = *index;

    for (uint32_t n = 1; n < l->n_slots; n++) {
        *index = start + n < l->n_slots ? start + n : start + n - l->n_slots;
        if (claim(l, *index, word))
            return true;
    }
    return false;
}

bool slots_claim(struct limiter *l, uint32_t *index, uint64_t *word)
{
    *index = atomic_load_explicit(&l->last_slot, memory_order_relaxed);
    if (!claim(l, *index, word) && !slots_claim_slow(l, index, word))
        return false;
    atomic_store_explicit(&l->last_slot, *index, memory_order_relaxed);
    return true;
}

void slots_fill(struct limiter *l, uint32_t index, const struct request *request)
{
    struct slot *slot = &l->slots[index];

    fill32(&slot->weight_milli, request->weight_milli);
    fill32(&slot->priority, (uint32_t)request->priority);
    fill64(&slot->since_ns, (uint64_t)request->since_ns);
    fill32(&slot->flags, (request->label ? SLOT_LABELLED : 0) | (request->has_bell ? SLOT_BELL : 0));
    if (request->label) {
        uint64_t text[LABEL_BYTES / 8] = {0};

        memcpy(text, request->label, request->label_length < LABEL_BYTES ? request->label_length : LABEL_BYTES);
        for (uint32_t i = 0; i < LABEL_BYTES / 8; i++)
            fill64(&l->labels[index].text[i], text[i]);
    }
}

void slots_give_back(struct limiter *l, uint32_t index, uint64_t word)
{
    /* CLAIMED(me) -> FREE; nobody else moves it while we live and A holds no operation on it.
     * Crash: before: reaper_reclaim() does the same; after: nothing. */
    cas64(&l->slots[index].word, word, slot_moved(word, SLOT_FREE));
}

void slots_stamp(struct slot *slot, shared64 *at, uint64_t generation, uint64_t at_us)
{
    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        /* The word after the stamp, so that `seen` is from this occupancy or before. */
        uint64_t seen = load64(at), x = load64(&slot->word);

        if (slot_generation(x) != generation || (slot_state(x) != SLOT_WAITING && slot_state(x) != SLOT_HELD)
            || stamp_us(seen, generation) >= at_us)
            return;
        /* any -> {tag of generation, at}. Late (the slot has moved on): the new occupant's stamp is not `seen` and this fails;
         * or there is none yet, and this one is unset for it. Crash: before or after: one stamp, re-done by the next. */
        if (cas64(at, seen, stamp(generation, at_us)))
            return;
    }
}

uint64_t slots_touched_us(const struct slot *slot, uint64_t word)
{
    uint64_t admitted = stamp_us(load64(&slot->admitted), slot_generation(word));
    uint64_t touched = stamp_us(load64(&slot->touched), slot_generation(word));

    return touched > admitted ? touched : admitted;
}

bool slots_cool(struct limiter *l, uint32_t index, uint64_t held, uint64_t cool_until_us)
{
    struct slot *slot = &l->slots[index];

    if (cool_until_us)
        slots_stamp(slot, &slot->cool_until, slot_generation(held), cool_until_us);
    /* HELD(holder) -> COOLING. Pairs with whoever EXPIREs it: the stamp is read only in COOLING.
     * Crash: before: still HELD, the reaper or watchdog cools it; after: anyone expires it when it is due. */
    return cas64(&slot->word, held, slot_moved(held, SLOT_COOLING));
}

static void ring(struct limiter *l, uint32_t participant)
{
    shared32 *bell;

    if (participant >= PARTICIPANTS)
        return;
    bell = &l->participants[participant].bell;
    /* bell -> bell + 1, after the slot moved and before the wake. Pairs with bell_relay(), which reads it first.
     * Crash: before or after: an ADMIT_WAITER is announced again; else the loop's next tick looks. */
    add32(bell, 1);
    os_futex_wake(bell);
}

void slots_wake(struct limiter *l, uint32_t index, uint64_t x)
{
    struct slot *slot = &l->slots[index];

    /* wake -> wake + 1, after the word moved and before the wake. Pairs with park_until(), which reads wake first.
     * Crash: before or after: of an ADMIT_WAITER, A still holds the operation, so the next to settle it wakes again;
     * of a mere call to look, the neighbours' ticks grant. */
    add32(&slot->wake, 1);
    os_futex_wake(&slot->wake);
    if (load32(&slot->flags) & SLOT_BELL)
        ring(l, slot_participant(x));
}
