/* program.h - an input of the fuzzers: which segment to begin with, then records, each an operation of somebody who is
 * attached or an edit of the segment's bytes by an enemy. corpus.py reads the names below. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>
#include <stdint.h>

enum beginning {
    BEGIN_FRESH, /* nobody has asked for anything */
    BEGIN_BUSY,  /* held, waiting and cooling slots, of the living and the dead */
    BEGIN_GATED, /* as busy, with a usage source and a sample */
    BEGINNINGS
};

/* With the beginning: no edit is made, so that whatever is promised to honest processes must hold to the end. */
#define PEACE 0x80u

enum verb {
    /* Edits of a 64-bit word. `what`: the place, `which`: the index there. */
    VERB_SET,
    VERB_FLIP, /* xor */
    VERB_ADD,
    /* Operations. `what`: the actor, `which`: its permit, or a flag. */
    VERB_TRY, /* value: weight; delay: priority; every: since; LABELLED in what; which & 8: polls */
    VERB_ENTER,
    VERB_ACQUIRE, /* enter, wait for at most value >> 32 ms, leave */
    VERB_WAIT,    /* until value us from now */
    VERB_POLL,    /* as in an event loop; value & 1: keeps time, & 2: was woken */
    VERB_RELAY,
    VERB_LEAVE,
    VERB_RELEASE,
    VERB_TOUCH,
    VERB_REAP,
    VERB_SNAPSHOT,
    VERB_AUDIT,
    VERB_CENSUS,
    VERB_LIMIT,
    VERB_RESET,
    VERB_COOLDOWN,
    VERB_SLOT_TIMEOUT,
    VERB_PAUSE,
    VERB_REFUSAL,
    VERB_ELECT,
    VERB_RESIGN,
    VERB_LAG,
    VERB_SAMPLE,
    VERB_FAILURE,
    VERB_ATTACH, /* a guest; which & 1: as an observer */
    VERB_DETACH,
    VERB_DIE,    /* a guest that is killed */
    VERB_RETIRE,
    VERB_PASS, /* value: time in us */
    VERBS
};

enum place {
    PLACE_ADMISSION,
    PLACE_GATE, /* its word, the last refusal */
    PLACE_LIMITS,
    PLACE_SETTINGS,
    PLACE_QUEUE,
    PLACE_POLLER,
    PLACE_ENVELOPE,
    PLACE_CONFIG,
    PLACE_PARTICIPANT, /* the word of participant `which` */
    PLACE_PARTICIPANT_RECORD,
    PLACE_SLOT, /* the word of slot `which` */
    PLACE_SLOT_RECORD,
    PLACE_LABEL,
    PLACE_ANYWHERE,
    PLACES
};

enum actor { ACTOR_ME, ACTOR_OTHER, ACTOR_GUEST, ACTOR_GUEST2, ACTORS };

#define LABELLED 0x80u

/* Little-endian, as the segment is. */
struct record {
    uint8_t verb, what;
    uint16_t which;
    uint16_t delay; /* of an edit: so many accesses to shared memory from now; 0: at once */
    uint16_t every; /* and again after each so many; 0: once */
    uint64_t value;
};
_Static_assert(sizeof(struct record) == 16, "no padding");

#define RECORDS_MAX 64

static inline size_t records_in(size_t bytes)
{
    size_t n = bytes ? (bytes - 1) / sizeof(struct record) : 0;

    return n < RECORDS_MAX ? n : RECORDS_MAX;
}

#endif
