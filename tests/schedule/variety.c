#include "variety.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kernel.h"

/* Open addressing; doubled when it is half full. */
struct set {
    uint64_t *at, n, room;
};
static struct set schedules, states;

static void put(struct set *set, uint64_t fingerprint)
{
    uint64_t i = fingerprint & (set->room - 1);

    while (set->at[i] && set->at[i] != fingerprint)
        i = (i + 1) & (set->room - 1);
    set->n += !set->at[i];
    set->at[i] = fingerprint;
}

static void note(struct set *set, uint64_t fingerprint)
{
    if (set->n * 2 >= set->room) {
        struct set larger = {.room = set->room ? set->room * 2 : 4096};

        larger.at = calloc(larger.room, sizeof *larger.at);
        CHECK(larger.at != NULL);
        for (uint64_t i = 0; i < set->room; i++)
            if (set->at[i])
                put(&larger, set->at[i]);
        free(set->at);
        *set = larger;
    }
    put(set, fingerprint ? fingerprint : 1);
}

static uint64_t mixed(uint64_t hash, const void *from, size_t bytes)
{
    uint64_t word;

    for (size_t i = 0; i < bytes; i += 8) {
        memcpy(&word, (const char *)from + i, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

void variety_note_schedule(uint64_t fingerprint) { note(&schedules, fingerprint); }

void variety_note_state(void)
{
    uint64_t hash = mixed(1, &segment.header.settings, sizeof segment.header.settings);

    hash = mixed(hash, &segment.header.admission.word, 8);
    hash = mixed(hash, &segment.header.gate, 16);
    for (uint32_t i = 0; i < SLOTS; i++)
        hash = mixed(hash, &segment.slots[i], sizeof segment.slots[i]);
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        hash = mixed(hash, &segment.participants[i].word, 8);
    note(&states, hash);
}

uint64_t variety_schedules(void) { return schedules.n; }
uint64_t variety_states(void) { return states.n; }
