#include <string.h>

#include "process.h"
#include "strategies.h"

#define CHANGES 4

static uint64_t state;
static uint64_t length = 100; /* of the last schedules, about */
static uint32_t switches_in, faults_in; /* one step in so many */
static int ranks[PROCESSES];
static uint64_t changes[CHANGES];

static uint32_t below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d) >> 32) % n);
}

void chance_begin(uint64_t seed) { state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1; }

void chance_next(void)
{
    length = (length * 7 + steps) / 8 + 1;
    switches_in = 1u << (1 + below(6));
    faults_in = (uint32_t)(length / 2 << below(4)) + 1;
    for (int who = 0; who < PROCESSES; who++) {
        int other = (int)below((uint64_t)who + 1);

        ranks[who] = ranks[other];
        ranks[other] = who + CHANGES;
    }
    for (int i = 0; i < CHANGES; i++)
        changes[i] = below(length);
}

static size_t count(const struct move *moves, size_t n, enum move_kind kind)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += moves[i].kind == kind;
    return found;
}

/* True with the fault that happens now, if one does. The moves without fault come first. */
static bool fails(const struct move *moves, size_t n, size_t *chosen)
{
    size_t usual = count(moves, n, RUN) + count(moves, n, PASS) + count(moves, n, THAW) + count(moves, n, KEEP);

    if (usual == n || below(moves[0].kind == KEEP ? 2 : faults_in))
        return false;
    *chosen = usual + below(n - usual);
    return true;
}

static size_t choose_walking(const struct move *moves, size_t n)
{
    size_t chosen, runnable = count(moves, n, RUN);

    if (n == 1)
        return 0;
    if (fails(moves, n, &chosen))
        return chosen;
    if (runnable < 2 || (moves[0].who == running && below(switches_in)))
        return 0;
    return below(runnable);
}

static size_t choose_by_rank(const struct move *moves, size_t n)
{
    size_t chosen = 0, runnable = count(moves, n, RUN);

    if (n == 1)
        return 0;
    if (fails(moves, n, &chosen))
        return chosen;
    for (int i = 0; i < CHANGES; i++)
        if (changes[i] == steps && running < PROCESSES)
            ranks[running] = i;
    for (size_t i = 1; i < runnable; i++)
        if (ranks[moves[i].who] > ranks[moves[chosen].who])
            chosen = i;
    return chosen;
}

const struct strategy walk = {choose_walking};
const struct strategy pct = {choose_by_rank};
