/* shmlimit.h - the C face of shmlimit, and its manual.
 *
 * OVERVIEW
 *   A limiter is one file in shared memory that every process of a user attaches by name. Who wants to work
 *   claims a slot, fills in its record, and has it admitted; the sum of what is admitted lives in one 64-bit
 *   word A. Layers, each using only those before it:
 *     atomic.h, os.h       the two seams: shared memory accesses, operating system
 *     patience.h           one bound for all loops of a call
 *     host                 what procfs tells of this host and process
 *     words.h, layout.h    the bits and the bytes, with a state table beside each word
 *     segment              one file, mapped and checked: format, open, close
 *     slots                the moves of a slot that do not change the sum: claim, give back, cool; stamps
 *     admission            the moves that do: install an operation in A, finish anybody's
 *     gate                 how much may be admitted now, and why not more: limit, pause, upstream
 *     participants         who is attached, who is dead, fork
 *     reaper               take back from the dead and the stuck
 *     queue                admit the best waiter while there is room
 *     park                 sleep on a slot until admitted
 *     bell                 sleep for all the waiters of a process's event loops
 *     entry                claim a slot; admitted at once, queued, or given back
 *     limiter              acquire, release: the only place that combines them
 *     audit, snapshot      read everything, for `doctor` and `status`
 *
 * CRASH SAFETY
 *   A process may be killed, or stopped for ever, between any two instructions. Nothing is held meanwhile:
 *   every step is one CAS on one word that says whose it is, and whoever comes next can finish or undo it.
 *   I1  A.used = weights of HELD and COOLING slots, corrected by the one pending operation in A.
 *   I2  A slot that is CLAIMED, WAITING or HELD names exactly one participant, which is not FREE.
 *   I3  While an operation is in A its slot cannot come back to the operation's from-state (every way back leads
 *       through A); so a late helper's CAS on the slot fails, or A has moved on.
 *   I4  A waiter that is admitted has its wake bumped and woken before A forgets it.
 *   I5  A participant that is LIVE with its byte lock free is dead: the lock is taken before LIVE is written
 *       and the kernel frees it only after the process's last store.
 *   I6  No slot names a participant that is FREE: it is freed only after a sweep found none, and while it is
 *       not FREE nobody else can take its index.
 *   Reaping takes no lock. (The design had the reaper take the dead byte lock; a reaper stopped while holding
 *   it would have made the dead look alive.) Any number may reap one participant at once: each reads a slot word
 *   x that names it, then checks that it is still RECLAIMING in the same generation, then CASes from exactly x.
 *   If the check holds, nobody can have taken the index before x was read, so x is the dead one's.
 *
 * ADMISSION
 *   An operation is installed by one CAS on A, which changes `used` in the same step and names the slot; then the
 *   slot word is moved. Whoever finds an operation in A finishes it first (admission_settle). A finished
 *   operation stays in A and is replaced by the next one, but for the ADMIT of a waiter, which is cleared after
 *   the wake: that makes the uncontended pair six CASes on two lines.
 *   A change of settings writes them, then bumps A's version: an admission decided on the old ones fails.
 *   G has no epoch beside it: t0 only grows and G is written by CAS, which rejects any late writer.
 *
 * MEMORY MODEL
 *   All accesses seq_cst (atomic.h), so whatever a sequentially consistent interleaving cannot show cannot happen.
 *   Waiter: reads wake, then the slot word, then sleeps if wake is unchanged. Waker: moves the slot word, then bumps
 *   wake, then wakes. So a waiter that read the old word sleeps on a wake value that the bump changes.
 *
 * BOUNDS
 *   Every index read from shared memory is range-checked after one load, every loop is bounded: by the table, or by
 *   the call's patience (patience.h) where it retries because others made progress. Beyond that the answer is
 *   SHMLIMIT_CORRUPT, within half a second.
 *
 * NOT PROMISED
 *   Detecting a dead thread in a living process (the watchdog's work), and that a raw clone() without atfork
 *   handlers lets go of its parent's lock before its own first use of the limiter, exec or exit. A process that is
 *   stopped between taking a byte lock and seeing that the entry was taken delays reaping of that one entry; one that is
 *   stopped while it takes a removed limiter's name away delays giving the name to a new one. */
#ifndef SHMLIMIT_H
#define SHMLIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum shmlimit_status {
    SHMLIMIT_OK,
    SHMLIMIT_WOULD_BLOCK,       /* no room now, or somebody is waiting */
    SHMLIMIT_QUEUED,            /* in the queue */
    SHMLIMIT_TIMED_OUT,         /* the deadline passed; the queue is left */
    SHMLIMIT_INTERRUPTED,       /* a signal; still in the queue */
    SHMLIMIT_POLLER_WANTED,     /* waiting on the upstream and nobody polls it; still in the queue */
    SHMLIMIT_NEVER_ADMISSIBLE,  /* weight above the limit */
    SHMLIMIT_QUEUE_FULL,        /* no FREE slot */
    SHMLIMIT_PARTICIPANTS_FULL, /* no FREE entry in the participant table */
    SHMLIMIT_LOST,              /* the slot is no longer this caller's */
    SHMLIMIT_NOT_FOUND,         /* no such file */
    SHMLIMIT_EXISTS,            /* somebody else published first */
    SHMLIMIT_REFUSED,           /* the file is not ours to trust: owner, mode, kind, links */
    SHMLIMIT_INCOMPATIBLE,      /* another version or build wrote it */
    SHMLIMIT_CORRUPT,           /* impossible bytes */
    SHMLIMIT_ORPHANED,          /* the segment has lost its name */
    SHMLIMIT_UNSUPPORTED,       /* this platform lacks working OFD locks or shared futexes */
    SHMLIMIT_SYSTEM,            /* a system call failed: fault.error */
};

/* Why a call failed, for the error message: what was looked at, what was found, what was expected. */
struct fault {
    const char *what;
    uint64_t found, expected;
    int error; /* errno of SHMLIMIT_SYSTEM */
};

/* One attachment: private memory of this process. Fields are for the C core only. */
struct limiter {
    struct header *header;
    struct participant *participants;
    struct slot *slots;
    struct label *labels;
    size_t size;
    uint32_t n_slots;
    bool observer;       /* read-only: may only read a snapshot, audit */
    bool is_poller;      /* holds LOCK_POLLER */
    uint32_t index;      /* this participant; NOBODY for an observer */
    uint64_t epoch;      /* the process that joined; participants.c */
    int fd;              /* the open file that owns the byte lock */
    dev_t device;
    ino_t inode;
    char *path;
    _Atomic uint32_t last_slot; /* where the next claim looks first */
    struct limiter *next;       /* all attachments of this process */
};

struct segment_settings {
    uint32_t n_slots, limit, configured, flags;
    uint32_t follow; /* as for limiter_follow */
    bool reduced; /* limit was lowered by 429s from configured */
    uint64_t cooldown_us, slot_timeout_us, stale_after_us, settle_us;
    const char *config; /* UTF-8 text, at most CONFIG_BYTES */
    size_t config_length;
};

struct request {
    uint32_t weight_milli;
    int32_t priority;
    int64_t since_ns; /* 0: now */
    const char *label; /* UTF-8, NULL: none; cut to LABEL_BYTES by the caller */
    size_t label_length;
    bool has_bell; /* its waiter follows with limiter_poll, not limiter_wait: see bell_relay */
};

/* What a caller holds, or waits for: a slot in one occupancy. Private memory. */
struct permit {
    uint32_t slot;
    uint32_t weight_milli;
    uint64_t word;  /* the slot's HELD word */
    uint64_t epoch; /* the process that got it: elsewhere (after fork) it is inert */
    uint64_t look_at_us; /* waiting: when to look again though nobody woke us; 0: not yet looked */
    uint64_t admitted_us; /* host time, once admitted */
    struct request request; /* waiting: what for; its label must stay readable until the wait ends */
};

/* ---- Attaching. None of these blocks. */
enum shmlimit_status segment_format(int fd, const struct segment_settings *settings, struct fault *fault);
enum shmlimit_status limiter_attach(struct limiter *l, const char *path, bool observer, struct fault *fault);
/* Gives a privately created segment its name; SHMLIMIT_EXISTS if the name is taken. Atomic: no half-named state. */
enum shmlimit_status limiter_publish(struct limiter *l, const char *path, struct fault *fault);
/* Gives up every slot of this attachment and leaves. A detached limiter must not be used. */
void limiter_detach(struct limiter *l);
/* Marks the segment as having lost its name: from now on nobody is admitted. */
void limiter_retire(struct limiter *l);
/* Retires it and takes its name away. Killed in between, somebody else has to. SHMLIMIT_WOULD_BLOCK: somebody else
 * is taking it away. */
enum shmlimit_status limiter_remove(struct limiter *l);
/* True in the process that attached; false in a forked child until its next call joins it anew. */
bool limiter_is_current(const struct limiter *l);
/* Makes it so in a child; the calls on permits and settings do it by themselves, those that only read do not. */
enum shmlimit_status limiter_renew(struct limiter *l);
uint64_t limiter_epoch(void);

/* ---- Permits. Only limiter_wait blocks. */
enum shmlimit_status limiter_try(struct limiter *l, const struct request *request, struct permit *permit);
/* SHMLIMIT_OK: admitted. SHMLIMIT_QUEUED: follow with limiter_wait until another answer, or limiter_leave. */
enum shmlimit_status limiter_enter(struct limiter *l, const struct request *request, struct permit *permit);
/* A process that was stopped until what it waited for had been granted and taken back as overdue queues again, in its
 * old turn. */
enum shmlimit_status limiter_wait(struct limiter *l, struct permit *permit, uint64_t deadline_us);
/* As limiter_wait, without blocking; SHMLIMIT_QUEUED: nothing new. `keeps_time`: this waiter is the first of its event
 * loop and looks after the queue, at once if `was_woken`, else when permit->look_at_us has come. */
enum shmlimit_status limiter_poll(struct limiter *l, struct permit *permit, bool keeps_time, bool was_woken);
bool limiter_is_waiting(const struct limiter *l, const struct permit *permit); /* one load: nothing new to poll for */
void limiter_count_timeout(struct limiter *l); /* of a waiter that was polled, not waited for */
/* Leaves the queue. SHMLIMIT_OK: left; SHMLIMIT_QUEUED never; SHMLIMIT_WOULD_BLOCK: admitted meanwhile, the permit is held. */
enum shmlimit_status limiter_leave(struct limiter *l, struct permit *permit);
bool limiter_release(struct limiter *l, const struct permit *permit); /* false: it was not held any more */
bool limiter_touch(struct limiter *l, const struct permit *permit);   /* restarts the watchdog's clock */
bool limiter_holds(const struct limiter *l, const struct permit *permit);
enum shmlimit_status limiter_reap(struct limiter *l, uint32_t *taken_back);

/* ---- Waiters in event loops: one thread of the process relays all their wakes. */
#define RELAY_CHANNELS 64
struct relay {
    _Atomic int channels[RELAY_CHANNELS]; /* an eventfd for each loop; -1: none. Closed only after the relay */
};
/* Blocks until the deadline; writes to every channel, once and whenever a waiter of this participant is woken. */
void bell_relay(struct limiter *l, struct relay *relay, uint64_t deadline_us);

/* ---- Settings. Each takes effect at once for every process. */
enum shmlimit_status limiter_set_limit(struct limiter *l, uint32_t limit);
/* 0: a person sets the limit. Else the elected poller does from its next sample on: to the upstream's less follow - 1. */
enum shmlimit_status limiter_follow(struct limiter *l, uint32_t follow);
enum shmlimit_status limiter_reset(struct limiter *l); /* ends a pause, restores the limit before 429s */
enum shmlimit_status limiter_set_cooldown(struct limiter *l, uint64_t cooldown_us);
enum shmlimit_status limiter_set_slot_timeout(struct limiter *l, uint64_t timeout_us);
enum shmlimit_status limiter_pause(struct limiter *l, uint64_t until_us, bool extend_only);
enum shmlimit_status limiter_end_pause(struct limiter *l, uint64_t until_us); /* only if it is this very pause */
/* A 429: pauses until until_us at least and lowers the limit by one, unless the permit was admitted before the
 * last reduction. permit NULL: unknown. *reduced says whether it did. */
enum shmlimit_status limiter_report_refusal(struct limiter *l, const struct permit *permit, uint64_t until_us, bool *reduced);

/* ---- The upstream's side: for the elected poller. */
enum shmlimit_status poller_elect(struct limiter *l); /* SHMLIMIT_WOULD_BLOCK: another one polls */
void poller_resign(struct limiter *l);
/* Before the first sample, by the poller or, where nobody polls, a feed: how long a start may take to show in the count,
 * and how long a sample counts. */
enum shmlimit_status poller_set_lag(struct limiter *l, uint64_t settle_us, uint64_t stale_after_us);
/* The upstream's own limit, where it is followed: ours is set by it if it is another than before. A limit that 429s have
 * lowered since stays. *changed says whether it did anything. */
enum shmlimit_status poller_set_limit(struct limiter *l, uint32_t told, bool *changed);
bool poller_is_alive(const struct limiter *l);
/* True for one caller within a second: the one that should start a poller. */
bool poller_claim_start(struct limiter *l);
struct census {
    uint64_t now_us;
    uint32_t visible_milli, visible_count; /* held now and admitted at least settle ago */
    uint32_t held_count, waiters;
    uint64_t cool_us; /* earliest end of a cooldown that no sample has confirmed; 0: none */
    uint32_t bell;    /* pass to poller_sleep */
};
void poller_census(const struct limiter *l, struct census *census);
enum shmlimit_status poller_write_sample(struct limiter *l, uint32_t gate_count_milli, uint64_t t0_us, uint64_t count_milli);
enum shmlimit_status poller_write_failure(struct limiter *l, uint64_t t0_us, const char *reason, size_t length);
/* For anyone, where nobody polls: an answer to work that told the upstream's count. Between least and most of it is
 * foreign, as far as the reading can tell, for what of ours was on its way there when it was taken is in it or not; what
 * was known before decides. Such samples come by chance: they confirm no slot, and leave room for one permit, whose answer
 * is the next. SHMLIMIT_LOST: a newer one is there, or somebody polls. */
enum shmlimit_status feed_write_sample(struct limiter *l, uint32_t least_milli, uint32_t most_milli, uint64_t t0_us,
                                       uint64_t count_milli);
enum shmlimit_status poller_sleep(struct limiter *l, uint32_t bell, uint64_t deadline_us); /* blocks */
uint32_t participants_living(const struct limiter *l, uint32_t *pids, uint32_t room); /* others, not this attachment */

/* ---- Reading. */
enum blocked_by { BLOCKED_NOT, BLOCKED_FULL, BLOCKED_COOLING, BLOCKED_FOREIGN, BLOCKED_PAUSED, BLOCKED_STALE };
struct occupant {
    bool waiting;
    uint32_t pid, weight_milli;
    int32_t priority;
    uint64_t since_us;  /* host time of admission; of a waiter: of queueing */
    int64_t since_ns;   /* epoch: the caller's `since` */
    uint64_t arrival;
    char program[17];
    char label[49];
};
struct snapshot {
    uint64_t now_us, paused_until_us, cooldown_us, slot_timeout_us, stale_after_us, settle_us;
    uint32_t limit, configured, flags, follow, n_slots;
    uint64_t reduced_at_us;
    uint32_t in_flight_milli, held, cooling, queued, foreign_milli, cap_milli;
    enum blocked_by blocked_by;
    bool sample_fresh;
    uint64_t sample_t0_us, count_milli, count_at_us, polled_at_us;
    uint32_t poller_pid; /* 0: none alive */
    char reason[121];
    uint64_t granted, queued_grants, timeouts, reaped, watchdog, rate_limited, self_heals;
    uint32_t n_occupants;
};
/* Fills at most `room` occupants: holders and waiters in the queue's order. */
enum shmlimit_status limiter_snapshot(const struct limiter *l, struct snapshot *snapshot, struct occupant *occupants, uint32_t room);
size_t limiter_config(const struct limiter *l, char *text, size_t room);
/* Checks I1, I2 and I6 on a consistent reading; SHMLIMIT_WOULD_BLOCK: too busy for one. */
enum shmlimit_status limiter_audit(const struct limiter *l, struct fault *fault);

#endif
