#include "reaper.h"

#include "admission.h"
#include "gate.h"
#include "os.h"
#include "patience.h"

static bool cool(struct limiter *l, uint32_t slot, uint64_t held)
{
    if (!slots_cool(l, slot, held, gate_cool_until_us(l, true)))
        return false;
    gate_ring(l);
    return true;
}

static void count_taken_back(shared64 *statistic, uint32_t *taken_back)
{
    count64(statistic);
    (*taken_back)++;
}

/* One move of a slot whose word was x and named the dead participant. */
static enum shmlimit_status take_back(struct limiter *l, uint32_t index, uint64_t x, uint32_t *taken_back)
{
    struct slot *slot = &l->slots[index];
    enum shmlimit_status status;
    uint64_t a;

    if (slot_state(x) == SLOT_HELD) {
        /* Our own, when we leave, is taken back from nobody. */
        if (cool(l, index, x) && slot_participant(x) != l->index)
            count_taken_back(&l->header->queue.reaped, taken_back);
        return SHMLIMIT_OK;
    }
    /* Only the owner installs an operation on a CLAIMED slot: with the owner dead and A settled there is none. */
    if ((status = admission_settle(l, &a)) != SHMLIMIT_OK || load64(&slot->word) != x)
        return status;
    if (slot_state(x) == SLOT_CLAIMED)
        /* CLAIMED(dead) -> FREE. Crash: before: the entry stays RECLAIMING and the next sweep does it; after: nothing. */
        cas64(&slot->word, x, slot_moved(x, SLOT_FREE));
    else
        admission_install(l, a, OP_CANCEL, index, x, admission_used_milli(a), admission_has_waiters(a));
    return SHMLIMIT_OK;
}

static bool names(uint64_t x, uint32_t participant)
{
    enum slot_state state = slot_state(x);

    return slot_participant(x) == participant && (state == SLOT_CLAIMED || state == SLOT_WAITING || state == SLOT_HELD);
}

/* Until the slot no longer names the participant. False: somebody else has freed the entry meanwhile. */
static enum shmlimit_status vacate(struct limiter *l, uint32_t index, uint32_t participant, uint64_t reclaiming,
                                   uint32_t *taken_back)
{
    for (uint32_t pass = 0; patience_lasts(pass, 0); pass++) {
        uint64_t x = load64(&l->slots[index].word);
        enum shmlimit_status status;

        if (!names(x, participant))
            return SHMLIMIT_OK;
        /* After x, so that x is of this generation of the entry [I6]. */
        if (load64(&l->participants[participant].word) != reclaiming)
            return SHMLIMIT_LOST;
        if ((status = take_back(l, index, x, taken_back)) != SHMLIMIT_OK)
            return status;
    }
    return SHMLIMIT_CORRUPT;
}

enum shmlimit_status reaper_reclaim(struct limiter *l, uint32_t participant, uint64_t word, uint32_t *taken_back)
{
    shared64 *at = &l->participants[participant].word;
    uint64_t reclaiming = participant_word(PARTICIPANT_RECLAIMING, participant_generation(word));

    if (participant_state(word) == PARTICIPANT_FREE)
        return SHMLIMIT_OK;
    /* LIVE -> RECLAIMING, same generation: nobody can take the index until FREE. From the word that was seen dead: read again
     * it may be that of a live process which has taken the entry since.
     * Fails: others were faster, and may be stopped or dead by now, so it is swept here too.
     * Crash: before: LIVE and dead, found again; after: any sweep goes on from RECLAIMING. */
    if (word != reclaiming && !cas64(at, word, reclaiming) && load64(at) != reclaiming)
        return SHMLIMIT_OK;
    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++) {
        enum shmlimit_status status = vacate(l, i, participant, reclaiming, taken_back);

        if (status != SHMLIMIT_OK)
            return status == SHMLIMIT_LOST ? SHMLIMIT_OK : status;
    }
    /* RECLAIMING -> FREE, generation + 1, no slot names it [I6]. Pairs with the check in vacate() of slower reapers.
     * Crash: before: swept again; after: nothing. */
    cas64(at, reclaiming, participant_word(PARTICIPANT_FREE, participant_generation(word) + 1));
    return SHMLIMIT_OK;
}

/* Takes back a permit held longer than the slot time-out without a touch. */
static void watchdog(struct limiter *l, uint32_t index, uint64_t x, uint64_t overdue_us, uint32_t *taken_back)
{
    uint64_t touched_us = slots_touched_us(&l->slots[index], x);

    if (touched_us && touched_us <= overdue_us && cool(l, index, x))
        count_taken_back(&l->header->queue.watchdog, taken_back);
}

/* The first member of a set of participants from i on; PARTICIPANTS: none. */
static uint32_t member_from(const uint64_t *set, uint32_t i)
{
    for (; i < PARTICIPANTS; i = (i | 63) + 1) {
        uint64_t rest = set[i / 64] >> i % 64;

        if (rest)
            return i + (uint32_t)__builtin_ctzll(rest);
    }
    return PARTICIPANTS;
}

enum shmlimit_status reaper_sweep(struct limiter *l, enum reap_scope scope, uint32_t *taken_back)
{
    uint64_t owners[(PARTICIPANTS + 63) / 64] = {0};
    uint64_t timeout_us = load64(&l->header->settings.slot_timeout_us), now_us = timeout_us ? os_now_us() : 0;

    for (uint32_t i = 0, high_water = slots_high_water(l); i < high_water; i++) {
        uint64_t x = load64(&l->slots[i].word);
        uint32_t participant = slot_participant(x);

        if (participant < PARTICIPANTS && names(x, participant) && (scope == REAP_OWNERS || slot_state(x) == SLOT_HELD))
            owners[participant / 64] |= UINT64_C(1) << participant % 64;
        if (slot_state(x) == SLOT_HELD && timeout_us && now_us > timeout_us)
            watchdog(l, i, x, now_us - timeout_us, taken_back);
    }
    for (uint32_t i = member_from(owners, 0); i < PARTICIPANTS; i = member_from(owners, i + 1)) {
        enum shmlimit_status status;
        uint64_t word;

        if (!participants_is_dead(l, i, &word))
            continue;
        if ((status = reaper_reclaim(l, i, word, taken_back)) != SHMLIMIT_OK)
            return status;
    }
    return SHMLIMIT_OK;
}

enum shmlimit_status reaper_sweep_table(struct limiter *l, uint32_t *taken_back)
{
    for (uint32_t i = 0; i < PARTICIPANTS; i++) {
        enum shmlimit_status status;
        uint64_t word;

        if (!participants_is_dead(l, i, &word))
            continue;
        if ((status = reaper_reclaim(l, i, word, taken_back)) != SHMLIMIT_OK)
            return status;
    }
    return reaper_sweep(l, REAP_OWNERS, taken_back);
}
