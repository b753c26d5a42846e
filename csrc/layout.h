/* layout.h - the bytes that processes share. No functions, no pointers, no libc types.
 *
 * "Written by" names who may store after the segment is published; what is not said to be written is constant.
 * Any byte may be wrong (a bug or an enemy under the same uid): readers check ranges after one load. */
#ifndef SHMLIMIT_LAYOUT_H
#define SHMLIMIT_LAYOUT_H

#include <stddef.h>

#include "atomic.h"

#define SEGMENT_MAGIC UINT64_C(0x74696d696c6d6873) /* "shmlimit", little-endian */
#define ENVELOPE_VERSION 1u
#define LAYOUT_VERSION 2u

#ifndef PARTICIPANTS /* fewer in tests that follow every access */
#define PARTICIPANTS 1024u
#endif
#define SLOTS_MAX 8192u  /* admission_word has 13 bits for a slot */
#define LIMIT_MAX 8000u  /* whole permits; in thousandths below 2^24 */
#define LABEL_BYTES 48u
#define REASON_BYTES 120u
#define CONFIG_BYTES 4088u
#define LOCK_BASE (INT64_C(1) << 40) /* byte LOCK_BASE + i is participant i's lock, far beyond the end of file */
#define LOCK_POLLER (LOCK_BASE - 1)  /* the elected poller's lock */
#define LOCK_REMOVAL (LOCK_BASE - 2) /* held by who takes the name away: nobody else does, so nobody can give it anew */

/* Frozen for ever: any version of the code can read these 64 bytes and tell whether it understands the rest. */
struct envelope {
    shared64 magic;
    shared32 envelope_version, layout_version;
    shared64 abi_hash; /* offsets and sizes of everything below */
    shared64 total_size;
    shared64 boot_id[2];
    shared32 n_slots, n_participants;
    shared64 reserved;
};

#define FLAG_ONE_PER_POLL 1u    /* gate rule; else `upstream` */
#define FLAG_CLOSED_ON_STALE 2u /* without a fresh sample nothing is admitted; else the cooldown alone decides */
#define FLAG_USAGE 4u           /* a usage source is configured: waiters see to it that a poller runs */
#define FLAG_RETIRED 8u         /* set once, for ever: the segment has lost its name, nobody may admit */

/* Read by every admission, changed by people. Each change is followed by admission_bump(). */
struct settings {
    shared64 limits;          /* limits_word; written by CAS: anyone who sets, restores or reduces the limit */
    shared64 paused_until_us; /* 0: not paused; UINT64_MAX: until resumed; written by pause, resume, a refusal */
    shared64 cooldown_us;     /* applies to releases after the change; written by whoever sets it */
    shared64 slot_timeout_us; /* watchdog; 0: off; written by whoever sets it */
    shared64 stale_after_us;  /* a sample older than this does not count; written by the elected poller, which knows */
    shared64 settle_us;       /* how long a start may take to show upstream; likewise */
    shared32 flags;           /* FLAG_*; only FLAG_RETIRED is ever added, by whoever finds or takes the name gone */
    shared32 follow;          /* 0: a person sets the limit; else the elected poller, to the upstream's own less follow - 1;
                                 written by whoever sets it */
    shared64 configured_at_us; /* host time of the last change of limits by a person, for display */
};

/* The one place where the sum changes. I1: used = weights of HELD and COOLING slots, plus the weight of the slot
 * of a pending ADMIT, less that of a pending EXPIRE. Written by CAS only: admission.c. */
struct admission {
    shared64 word;
    shared64 reserved[7];
};

struct gate {
    shared64 word;    /* gate_word; CAS by the elected poller, or a feed; `spent` by a granter */
    shared64 refusal; /* gate_word of the last 429: count = foreign at least this; CAS by report_refusal */
    shared64 reserved[6];
};

/* What the poller says for people, and how it is woken. Written by the elected poller but where noted. */
struct poller {
    shared32 bell;         /* futex; bumped by anyone who wants a sample soon */
    shared32 pid;          /* for people; the lock on LOCK_POLLER decides who polls */
    shared64 count_milli;  /* the upstream's own number in the last good reading */
    shared64 count_at_us;  /* its t0; 0: none yet */
    shared64 polled_at_us; /* end of the last poll, good or bad */
    shared64 started_at_us; /* last start of a poller by a waiter; CAS by waiters, so that one starts it */
    shared64 asked_at_us;  /* first such start since polled_at_us; written by that waiter. Later than it: no answer yet */
    shared64 reserved[2];
    shared64 reason[REASON_BYTES / 8]; /* why the last poll failed; empty after a good one */
    shared64 reserved2;
};

struct queue {
    shared64 arrivals;   /* next arrival number; added to by each ENQUEUE */
    shared32 high_water; /* no slot at or above it was ever claimed; raised by CAS before the claim */
    shared32 reserved;
    shared64 reaped, watchdog, rate_limited, self_heals; /* statistics; added to by whoever does it */
    shared64 reserved2[2];
};

/* Written by the process that holds the byte lock, while FREE; `word` as its state table says. The counters
 * go on through all occupants: their sum over the table is what `status` shows. */
struct participant {
    shared64 word;
    shared32 pid;
    shared32 bell;    /* futex; bumped by whoever wakes a waiter of this participant that does not sleep on its slot */
    shared64 started; /* the process's start time in clock ticks, for people */
    shared64 granted, queued_grants, timeouts;
    shared64 program[2]; /* command name, for people */
};

/* One 64-byte line a slot. The record is written by the owner while CLAIMED and constant until FREE; the three
 * stamps are written by CAS by whoever moves the slot (words.h). */
struct slot {
    shared64 word;
    shared32 wake;         /* futex: bumped before each wake of the waiter in this slot */
    shared32 weight_milli; /* 1 .. LIMIT_MAX * 1000 */
    shared32 priority;     /* int32_t: higher first */
    shared32 flags;        /* SLOT_*; SLOT_DROWSY: written by its waiter while WAITING */
    shared64 since_ns;     /* int64_t, epoch: older first */
    shared64 arrival;      /* ties */
    shared64 admitted;     /* stamp */
    shared64 touched;      /* stamp */
    shared64 cool_until;   /* stamp; unset in a COOLING slot: due at once; of a WAITING slot: when it was queued */
};

#define SLOT_LABELLED 1u
#define SLOT_DROWSY 2u /* the waiter's next look is more than a tick away: wake it if it becomes the head */
#define SLOT_BELL 4u   /* its waiter is one of many in an event loop: who wakes it rings its participant's bell too */

struct label {
    shared64 text[LABEL_BYTES / 8]; /* UTF-8, zero-padded; written with the slot's record */
};

struct header {
    struct envelope envelope;
    struct settings settings;
    struct admission admission;
    struct gate gate;
    struct poller poller;
    struct queue queue;
    char reserved[4096 - 64 * 8];
    shared64 config_length;         /* bytes of the text below */
    shared64 config[CONFIG_BYTES / 8]; /* the usage source as JSON; secrets by reference only */
};

#define PARTICIPANTS_OFFSET sizeof(struct header)
#define SLOTS_OFFSET (PARTICIPANTS_OFFSET + PARTICIPANTS * sizeof(struct participant))
#define LABELS_OFFSET(n_slots) (SLOTS_OFFSET + (size_t)(n_slots) * sizeof(struct slot))
#define SEGMENT_SIZE(n_slots) (LABELS_OFFSET(n_slots) + (size_t)(n_slots) * sizeof(struct label))

_Static_assert(sizeof(struct envelope) == 64 && sizeof(struct settings) == 64, "one line each");
_Static_assert(sizeof(struct admission) == 64 && sizeof(struct gate) == 64, "one line each");
_Static_assert(sizeof(struct poller) == 192 && sizeof(struct queue) == 64, "whole lines");
_Static_assert(sizeof(struct participant) == 64 && sizeof(struct slot) == 64, "one line each");
_Static_assert(sizeof(struct header) == 8192, "header and configuration: two pages");
_Static_assert(offsetof(struct header, admission) % 64 == 0 && offsetof(struct header, gate) % 64 == 0, "own lines");
_Static_assert(SEGMENT_SIZE(4096) <= 1 << 20, "the default segment fits in 1 MiB");

#endif
