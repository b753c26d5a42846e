#define _GNU_SOURCE
#include "participants.h"

#include <sys/types.h>
#include <unistd.h>

#include "host.h"
#include "os.h"

static void describe(struct participant *entry)
{
    uint64_t program[2], started = host_program((char *)program);

    fill32(&entry->pid, (uint32_t)getpid());
    fill64(&entry->started, started);
    fill64(&entry->program[0], program[0]);
    fill64(&entry->program[1], program[1]);
}

static enum shmlimit_status take(struct limiter *l, uint32_t index, struct fault *fault)
{
    struct participant *entry = &l->participants[index];
    uint64_t word = load64(&entry->word);
    int locked;

    if (participant_state(word) != PARTICIPANT_FREE)
        return SHMLIMIT_WOULD_BLOCK;
    locked = os_lock(l->fd, LOCK_BASE + index);
    if (locked < 0) {
        *fault = (struct fault){.what = "byte lock", .error = -locked};
        return SHMLIMIT_SYSTEM;
    }
    if (!locked)
        return SHMLIMIT_WOULD_BLOCK;
    describe(entry);
    /* FREE -> LIVE, with the byte lock held [I5]. Pairs with participants_is_dead().
     * Crash: before: the lock goes, the entry stays FREE; after: LIVE with a free lock, which is dead. */
    if (cas64(&entry->word, word, participant_word(PARTICIPANT_LIVE, participant_generation(word)))) {
        l->index = index;
        return SHMLIMIT_OK;
    }
    os_unlock(l->fd, LOCK_BASE + index);
    return SHMLIMIT_WOULD_BLOCK;
}

enum shmlimit_status participants_join(struct limiter *l, struct fault *fault)
{
    for (uint32_t i = 0; i < PARTICIPANTS; i++) {
        enum shmlimit_status status = take(l, i, fault);

        if (status != SHMLIMIT_WOULD_BLOCK)
            return status;
    }
    *fault = (struct fault){.what = "participants", .found = PARTICIPANTS, .expected = PARTICIPANTS};
    return SHMLIMIT_PARTICIPANTS_FULL;
}

bool participants_is_dead(const struct limiter *l, uint32_t index, uint64_t *word)
{
    const shared64 *at = &l->participants[index].word;
    uint64_t seen;

    /* Our own open file never conflicts with itself. */
    if (index == l->index)
        return false;
    seen = *word = load64(at);
    if (participant_state(seen) == PARTICIPANT_RECLAIMING)
        return true;
    if (participant_state(seen) != PARTICIPANT_LIVE || os_lock_is_held(l->fd, LOCK_BASE + index) != 0)
        return false;
    /* Meanwhile it may have become another's, or others may reclaim it: dead all the same. */
    *word = load64(at);
    return *word == seen || participant_state(*word) == PARTICIPANT_RECLAIMING;
}

uint32_t participants_living(const struct limiter *l, uint32_t *pids, uint32_t room)
{
    uint32_t living = 0;
    uint64_t word;

    for (uint32_t i = 0; i < PARTICIPANTS; i++) {
        if (i == l->index || participant_state(load64(&l->participants[i].word)) != PARTICIPANT_LIVE
            || participants_is_dead(l, i, &word))
            continue;
        if (living < room)
            pids[living] = load32(&l->participants[i].pid);
        living++;
    }
    return living;
}
