#define _GNU_SOURCE
#include "operations.h"

#include <string.h>

#include "slots.h"

#define OCCUPANTS 4
#define TICK_US 100000

static void is_documented(enum shmlimit_status status)
{
    switch (status) {
    case SHMLIMIT_OK:
    case SHMLIMIT_WOULD_BLOCK:
    case SHMLIMIT_QUEUED:
    case SHMLIMIT_TIMED_OUT:
    case SHMLIMIT_INTERRUPTED:
    case SHMLIMIT_POLLER_WANTED:
    case SHMLIMIT_NEVER_ADMISSIBLE:
    case SHMLIMIT_QUEUE_FULL:
    case SHMLIMIT_LOST:
    case SHMLIMIT_ORPHANED:
        return;
    default:
        CHECK_EQUAL(status, SHMLIMIT_CORRUPT);
        CHECK(enemy_has_edited());
    }
}

/* ---- Permits. */
static struct request request_of(const struct record *record)
{
    uint32_t weight_milli = (uint32_t)record->value % (LIMIT_MAX * 1000);
    bool is_labelled = record->what & LABELLED;

    return (struct request){.weight_milli = weight_milli ? weight_milli : 1, .priority = (int16_t)record->delay,
                            .since_ns = record->every, .label = is_labelled ? "a label \xe2\x9c\x93 of its own" : NULL,
                            .label_length = is_labelled ? 23 : 0, .has_bell = record->which & 8};
}

static void leave(struct holder *holder, int i)
{
    enum shmlimit_status status = limiter_leave(&holder->l, &holder->permits[i]);

    is_documented(status);
    CHECK(status != SHMLIMIT_QUEUED);
    holder->phases[i] = status == SHMLIMIT_WOULD_BLOCK ? PERMIT_HELD : PERMIT_NONE;
}

static void release(struct holder *holder, int i)
{
    bool released = limiter_release(&holder->l, &holder->permits[i]);

    /* Late, or a second time: it changes nothing. A waiter may have been admitted since it asked last. */
    CHECK(!released || holder->phases[i] != PERMIT_NONE || enemy_has_edited());
    if (released || holder->phases[i] == PERMIT_HELD)
        holder->phases[i] = PERMIT_NONE;
}

static void let_go(struct holder *holder, int i)
{
    if (holder->phases[i] == PERMIT_QUEUED)
        leave(holder, i);
    if (holder->phases[i] == PERMIT_HELD)
        release(holder, i);
}

static bool looks_sound(const struct limiter *l)
{
    struct fault fault;

    return limiter_audit(l, &fault) == SHMLIMIT_OK;
}

/* Whoever is told that it holds a permit holds one, unless an enemy is quicker, or the damage is plain to see. */
static void note(struct holder *holder, int i, enum shmlimit_status status)
{
    const struct permit *permit = &holder->permits[i];

    is_documented(status);
    holder->phases[i] = status == SHMLIMIT_OK ? PERMIT_HELD
                        : status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED || status == SHMLIMIT_POLLER_WANTED
                            ? PERMIT_QUEUED
                            : PERMIT_NONE;
    if (holder->phases[i] == PERMIT_NONE)
        return;
    CHECK(permit->slot < SLOTS);
    CHECK(slot_state(permit->word) == SLOT_HELD && slot_participant(permit->word) == holder->l.index);
    /* The enemy last: it is at work in these readings too. */
    if (status == SHMLIMIT_OK)
        CHECK(limiter_holds(&holder->l, permit) || !looks_sound(&holder->l) || enemy_has_interfered());
}

static void wait_once(struct holder *holder, int i, uint64_t deadline_us)
{
    if (holder->phases[i] == PERMIT_QUEUED)
        note(holder, i, limiter_wait(&holder->l, &holder->permits[i], deadline_us));
}

/* What an upstream counts of others, as far as a fresh sample tells. */
static uint32_t foreign_milli(const struct limiter *l)
{
    uint64_t g = load64(&l->header->gate.word), stale_after_us = load64(&l->header->settings.stale_after_us);
    bool is_fresh = g && gate_count_milli(g) != NO_COUNT && fake_os.now_us < gate_t0_us(g) + stale_after_us;

    return is_fresh ? gate_count_milli(g) : 0;
}

/* Admitted within this call, which no change of the settings came between [G1]. */
static void is_within_limit(const struct limiter *l, enum shmlimit_status status)
{
    uint32_t limit_milli = limits_limit(load64(&l->header->settings.limits)) * 1000, foreign = foreign_milli(l);

    if (status != SHMLIMIT_OK)
        return;
    CHECK(scratch_used_milli(l) + foreign <= limit_milli || enemy_has_edited());
    CHECK(fake_os.now_us >= load64(&l->header->settings.paused_until_us) || enemy_has_edited());
    CHECK(!(load32(&l->header->settings.flags) & FLAG_RETIRED) || enemy_has_edited());
}

static void op_try(struct holder *holder, const struct record *record)
{
    int i = record->which % PERMITS;
    struct request request = request_of(record);
    enum shmlimit_status status;

    let_go(holder, i);
    note(holder, i, status = limiter_try(&holder->l, &request, &holder->permits[i]));
    CHECK(status != SHMLIMIT_QUEUED && status != SHMLIMIT_TIMED_OUT);
    is_within_limit(&holder->l, status);
}

static void op_enter(struct holder *holder, const struct record *record)
{
    int i = record->which % PERMITS;
    struct request request = request_of(record);
    enum shmlimit_status status;

    let_go(holder, i);
    note(holder, i, status = limiter_enter(&holder->l, &request, &holder->permits[i]));
    is_within_limit(&holder->l, status);
}

static void op_acquire(struct holder *holder, const struct record *record)
{
    int i = record->which % PERMITS;
    uint64_t deadline_us = fake_os.now_us + (record->value >> 32) % 2000 * 1000;

    op_enter(holder, record);
    while (holder->phases[i] == PERMIT_QUEUED && fake_os.now_us <= deadline_us) {
        wait_once(holder, i, deadline_us);
        fake_os.now_us += TICK_US;
    }
    if (holder->phases[i] == PERMIT_QUEUED)
        leave(holder, i);
}

static void op_wait(struct holder *holder, const struct record *record)
{
    wait_once(holder, record->which % PERMITS, fake_os.now_us + record->value % UINT32_MAX);
}

static void op_poll(struct holder *holder, const struct record *record)
{
    int i = record->which % PERMITS;

    if (holder->phases[i] == PERMIT_QUEUED && limiter_is_waiting(&holder->l, &holder->permits[i]))
        note(holder, i, limiter_poll(&holder->l, &holder->permits[i], record->value & 1, record->value & 2));
}

static void op_relay(struct holder *holder, const struct record *record)
{
    struct relay relay;

    (void)record;
    for (int i = 0; i < RELAY_CHANNELS; i++)
        atomic_init(&relay.channels[i], -1);
    bell_relay(&holder->l, &relay, fake_os.now_us);
}

static void op_leave(struct holder *holder, const struct record *record)
{
    if (holder->phases[record->which % PERMITS] == PERMIT_QUEUED)
        leave(holder, record->which % PERMITS);
}

static void op_release(struct holder *holder, const struct record *record) { release(holder, record->which % PERMITS); }

static void op_touch(struct holder *holder, const struct record *record)
{
    limiter_touch(&holder->l, &holder->permits[record->which % PERMITS]);
}

/* No permit is left that was held for longer than the slot time-out. */
static void is_nobody_overdue(const struct limiter *l)
{
    uint64_t timeout_us = load64(&l->header->settings.slot_timeout_us);

    for (uint32_t i = 0; i < SLOTS && timeout_us; i++) {
        uint64_t x = load64(&l->slots[i].word);
        bool is_overdue = slots_touched_us(&l->slots[i], x) + timeout_us < fake_os.now_us;

        CHECK(slot_state(x) != SLOT_HELD || !is_overdue || enemy_has_edited());
    }
}

static void op_reap(struct holder *holder, const struct record *record)
{
    uint32_t taken_back;

    (void)record;
    is_documented(limiter_reap(&holder->l, &taken_back));
    is_nobody_overdue(&holder->l);
}

/* ---- Reading. */
static void op_snapshot(struct holder *holder, const struct record *record)
{
    uint32_t room = record->which % (OCCUPANTS + 1);
    struct occupant occupants[OCCUPANTS];
    struct snapshot s;
    char config[CONFIG_BYTES];

    CHECK_EQUAL(limiter_snapshot(&holder->l, &s, room ? occupants : NULL, room), SHMLIMIT_OK);
    CHECK(s.n_occupants <= room && strlen(s.reason) <= REASON_BYTES && s.n_slots == SLOTS);
    CHECK(s.held + s.cooling + s.queued <= SLOTS);
    CHECK(s.cap_milli <= s.limit * 1000 || enemy_has_interfered());
    for (uint32_t i = 0; i < s.n_occupants; i++)
        CHECK(strlen(occupants[i].label) <= LABEL_BYTES && strlen(occupants[i].program) <= 16);
    CHECK(limiter_config(&holder->l, config, sizeof config) <= sizeof config);
}

static void op_audit(struct holder *holder, const struct record *record)
{
    struct fault fault = {0};
    enum shmlimit_status status = limiter_audit(&holder->l, &fault);

    (void)record;
    CHECK(status == SHMLIMIT_OK || (status == SHMLIMIT_WOULD_BLOCK && enemy_has_edited())
          || (status == SHMLIMIT_CORRUPT && fault.what && enemy_has_edited()));
}

static void op_census(struct holder *holder, const struct record *record)
{
    struct census census;
    uint32_t pids[2];

    (void)record;
    poller_census(&holder->l, &census);
    CHECK(census.held_count + census.waiters <= SLOTS && census.visible_count <= census.held_count);
    CHECK(participants_living(&holder->l, pids, 2) < PARTICIPANTS);
}

/* ---- Settings, and the upstream. */
static void op_limit(struct holder *holder, const struct record *record)
{
    is_documented(limiter_set_limit(&holder->l, 1 + (uint32_t)(record->value % LIMIT_MAX)));
}

static void op_reset(struct holder *holder, const struct record *record)
{
    (void)record;
    is_documented(limiter_reset(&holder->l));
}

static void op_cooldown(struct holder *holder, const struct record *record)
{
    is_documented(limiter_set_cooldown(&holder->l, record->value % UINT32_MAX));
}

static void op_slot_timeout(struct holder *holder, const struct record *record)
{
    is_documented(limiter_set_slot_timeout(&holder->l, record->value % UINT32_MAX));
}

static void op_pause(struct holder *holder, const struct record *record)
{
    is_documented(limiter_pause(&holder->l, record->value, record->which & 1));
}

static void op_refusal(struct holder *holder, const struct record *record)
{
    const struct permit *permit = record->which & 8 ? NULL : &holder->permits[record->which % PERMITS];
    bool reduced;

    is_documented(limiter_report_refusal(&holder->l, permit, fake_os.now_us + record->value % UINT32_MAX, &reduced));
}

static void op_elect(struct holder *holder, const struct record *record)
{
    (void)record;
    is_documented(poller_elect(&holder->l));
    poller_claim_start(&holder->l);
}

static void op_resign(struct holder *holder, const struct record *record)
{
    (void)record;
    poller_resign(&holder->l);
}

static void op_lag(struct holder *holder, const struct record *record)
{
    is_documented(poller_set_lag(&holder->l, record->value % UINT32_MAX, record->value >> 32));
}

static void op_sample(struct holder *holder, const struct record *record)
{
    uint64_t count_milli = record->value % NO_COUNT;

    is_documented(poller_write_sample(&holder->l, (uint32_t)count_milli, fake_os.now_us - record->which, count_milli));
}

static void op_failure(struct holder *holder, const struct record *record)
{
    static const char reason[200] = "the upstream says: [none of your business, and at a length that does not fit in here]";

    is_documented(poller_write_failure(&holder->l, fake_os.now_us, reason, record->which % sizeof reason));
}

/* ---- Coming and going. */
static void op_detach(struct holder *holder, const struct record *record)
{
    (void)record;
    world_detach(holder);
}

static void op_die(struct holder *holder, const struct record *record)
{
    (void)record;
    world_kill(holder);
}

static void op_retire(struct holder *holder, const struct record *record)
{
    (void)record;
    limiter_retire(&holder->l);
}

static void attach(struct holder *guest, bool observer)
{
    struct fault fault;
    enum shmlimit_status status = world_attach(guest, observer, &fault);

    if (status == SHMLIMIT_OK)
        return;
    CHECK(enemy_has_edited());
    CHECK(status == SHMLIMIT_CORRUPT || status == SHMLIMIT_INCOMPATIBLE || status == SHMLIMIT_PARTICIPANTS_FULL);
    CHECK(fault.what);
}

static const struct operation {
    void (*run)(struct holder *holder, const struct record *record);
    bool for_observers, for_guests_only;
} operations[VERBS] = {
    [VERB_TRY] = {.run = op_try},
    [VERB_ENTER] = {.run = op_enter},
    [VERB_ACQUIRE] = {.run = op_acquire},
    [VERB_WAIT] = {.run = op_wait},
    [VERB_POLL] = {.run = op_poll},
    [VERB_RELAY] = {.run = op_relay},
    [VERB_LEAVE] = {.run = op_leave},
    [VERB_RELEASE] = {.run = op_release},
    [VERB_TOUCH] = {.run = op_touch},
    [VERB_REAP] = {.run = op_reap},
    [VERB_SNAPSHOT] = {.run = op_snapshot, .for_observers = true},
    [VERB_AUDIT] = {.run = op_audit, .for_observers = true},
    [VERB_CENSUS] = {.run = op_census, .for_observers = true},
    [VERB_LIMIT] = {.run = op_limit},
    [VERB_RESET] = {.run = op_reset},
    [VERB_COOLDOWN] = {.run = op_cooldown},
    [VERB_SLOT_TIMEOUT] = {.run = op_slot_timeout},
    [VERB_PAUSE] = {.run = op_pause},
    [VERB_REFUSAL] = {.run = op_refusal},
    [VERB_ELECT] = {.run = op_elect},
    [VERB_RESIGN] = {.run = op_resign},
    [VERB_LAG] = {.run = op_lag},
    [VERB_SAMPLE] = {.run = op_sample},
    [VERB_FAILURE] = {.run = op_failure},
    [VERB_DETACH] = {.run = op_detach, .for_observers = true, .for_guests_only = true},
    [VERB_DIE] = {.run = op_die, .for_observers = true, .for_guests_only = true},
    [VERB_RETIRE] = {.run = op_retire},
};

void operate(const struct record *record)
{
    enum actor actor = (record->what & ~LABELLED) % ACTORS;
    struct holder *holder = &holders[actor];
    enum verb verb = record->verb;
    const struct operation *operation = &operations[verb];
    bool is_guest = actor >= ACTOR_GUEST;

    enemy_watch();
    if (verb == VERB_PASS)
        fake_os.now_us += record->value % (UINT64_C(1) << 33);
    else if (verb == VERB_ATTACH && is_guest && !holder->is_here)
        attach(holder, record->which & 1);
    else if (operation->run && holder->is_here && (is_guest || !operation->for_guests_only)
             && (!holder->l.observer || operation->for_observers))
        operation->run(holder, record);
}
