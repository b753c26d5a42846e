/* interleave.c - two processes, every interleaving with two switches, and deaths in it. Built with SHMLIMIT_STEP=step, linked
 * with fake_os.c.
 *
 * Each process is a coroutine on its own attachment that can be left before any access to shared memory. A takes n accesses, B
 * takes m, then: both finish; or a third process lives a busy life before they do; or one of them, or both, never run again and
 * their locks go. For all n and m, the invariants are checked at each switch and everything is accounted for in the end. */
#include <limits.h>

#include "actor.h"
#include "check.h"
#include "fake_os.h"
#include "queue.h"
#include "slots.h"

#define SCHEDULES_MAX 20000 /* of one pair in one way, unless told to take all */

static bool limit_is_constant, clock_stands;

static void check_now(void)
{
    struct limiter *l = &actors[INSPECTOR].l;

    scratch_audit(l);
    CHECK(scratch_used_milli(l) <= ceiling_milli);
    for (uint32_t i = 0; i < SLOTS && load64(&l->header->settings.cooldown_us); i++) {
        uint64_t x = load64(&l->slots[i].word);

        /* Unset, the slot would be due at once. */
        if (slot_state(x) == SLOT_COOLING)
            CHECK(stamp_us(load64(&l->slots[i].cool_until), slot_generation(x)));
    }
    if (limit_is_constant)
        CHECK(scratch_count(l, SLOT_HELD) * 1000 <= limits_limit(load64(&l->header->settings.limits)) * 1000);
}

static void run(int i, long accesses)
{
    actor_run(i, accesses);
    check_now();
}

/* A process with time: takes every slot through every state, by trying, queueing, leaving and releasing. */
static void live_a_busy_life(void)
{
    struct actor *p = &actors[INSPECTOR];
    struct permit permits[SLOTS];
    enum shmlimit_status statuses[SLOTS];

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < SLOTS; i++)
            statuses[i] = scratch_enter(&p->l, 1000, &permits[i]);
        for (uint32_t i = 0; i < SLOTS; i++) {
            if (statuses[i] == SHMLIMIT_QUEUED && limiter_leave(&p->l, &permits[i]) == SHMLIMIT_WOULD_BLOCK)
                statuses[i] = SHMLIMIT_OK;
            if (statuses[i] == SHMLIMIT_OK)
                CHECK(limiter_release(&p->l, &permits[i]));
        }
        check_now();
    }
}

static bool anybody_died(void) { return actors[A].dead || actors[B].dead || actors[C].dead; }

/* Every waiter that could be in is in, and was woken; or, after a death, is so after one look. */
static void check_no_waiter_is_forgotten(void)
{
    struct limiter *l = &actors[INSPECTOR].l;
    struct queue_outlook outlook;
    uint32_t taken_back;

    if (anybody_died())
        CHECK_EQUAL(limiter_reap(l, &taken_back), SHMLIMIT_OK);
    CHECK_EQUAL(queue_grant(l, true, &outlook), SHMLIMIT_OK);
    CHECK_EQUAL(outlook.admitted, 0);
    CHECK_EQUAL(load64(&l->header->queue.self_heals), 0);
    for (int i = A; i < ACTORS; i++) {
        struct actor *p = &actors[i];

        if (p->dead || !p->waits || !limiter_holds(&p->l, &p->queued))
            continue;
        CHECK(load32(&l->slots[p->queued.slot].wake) != slots_image[p->queued.slot].wake);
        p->waits = false;
        p->holds = true;
        p->held = p->queued;
    }
}

static void check_what_they_hold(void)
{
    struct limiter *l = &actors[INSPECTOR].l;

    for (int i = 0; i < ACTORS; i++) {
        struct actor *p = &actors[i];
        uint64_t word;

        if (p->may_have_lost && !limiter_holds(&p->l, &p->held))
            p->holds = false;
        if (p->dead || !p->holds)
            continue;
        CHECK(limiter_holds(&p->l, &p->held));
        word = load64(&l->slots[p->held.slot].word);
        if (p->touched_us)
            CHECK(slots_touched_us(&l->slots[p->held.slot], word) >= p->touched_us);
        CHECK(stamp_us(load64(&l->slots[p->held.slot].admitted), slot_generation(word)));
        /* Without it the watchdog would never take this one back. */
        CHECK(stamp_us(load64(&l->slots[p->held.slot].admitted), slot_generation(word)) == fake_os.now_us
              || !clock_stands);
    }
}

/* A lock on an entry that is not one's own keeps it from everybody. */
static void check_locks(void)
{
    for (int i = 0; i < FAKE_LOCKS; i++)
        for (int j = 0; j < ACTORS && fake_os.locks[i].fd; j++)
            if (fake_os.locks[i].fd == actors[j].l.fd)
                CHECK_EQUAL(fake_os.locks[i].byte, LOCK_BASE + actors[j].l.index);
}

static void settle_up(void)
{
    struct limiter *l = &actors[INSPECTOR].l;
    uint32_t limit;

    check_no_waiter_is_forgotten();
    check_what_they_hold();
    check_locks();
    for (int i = 0; i < ACTORS; i++)
        if (!actors[i].dead) {
            act_release(&actors[i]);
            act_leave(&actors[i]);
        }
    check_now();
    ceiling_milli = UINT32_MAX;
    fake_os.now_us += 10000000;
    limiter_reset(l);
    scratch_check_empty(l);
    limit = limits_limit(load64(&l->header->settings.limits));
    limiter_set_cooldown(l, 0);
    limiter_set_slot_timeout(l, 0);
    scratch_check_limit(l, limit);
    scratch_check_empty(l);
}

enum way { BOTH_FINISH, A_BUSY_LIFE_BETWEEN, A_DIES, B_DIES, BOTH_DIE, WAYS };

static void schedule(long n, long m, enum way way)
{
    actors_restore();
    run(A, n);
    run(B, m);
    if (way == A_BUSY_LIFE_BETWEEN)
        live_a_busy_life();
    if (way == A_DIES || way == BOTH_DIE)
        actor_die(A);
    if (way == B_DIES || way == BOTH_DIE)
        actor_die(B);
    run(A, -1);
    run(B, -1);
    settle_up();
}

/* Of actor i when A has taken n before. */
static long accesses_of(int i, long n)
{
    long accesses = 0;

    actors_restore();
    run(A, n);
    while (!actors[i].done) {
        run(i, 1);
        accesses++;
    }
    return accesses;
}

struct pair {
    const char *name;
    void (*begin)(void);
    void (*a)(struct actor *);
    void (*b)(struct actor *);
    bool limit_changes, clock_moved;
};

/* Switches within the last so many accesses of each. */
static long explore(const struct pair *pair, long tail)
{
    long na, nb, schedules = 0, stride, at = 0, from_n, from_m;

    check_scene = pair->name;
    limit_is_constant = !pair->limit_changes;
    clock_stands = !pair->clock_moved;
    pair->begin();
    actors[A].act = pair->a;
    actors[B].act = pair->b;
    actors_save();
    na = accesses_of(A, 0);
    nb = 0;
    for (long n = 0; n <= na; n++) {
        long accesses = accesses_of(B, n);

        nb = accesses > nb ? accesses : nb;
    }
    from_n = na > tail ? na - tail : 0;
    from_m = nb > tail ? nb - tail : 0;
    stride = getenv("SHMLIMIT_NATIVE_EVERY") ? 1 : 1 + (na - from_n) * (nb - from_m) / SCHEDULES_MAX;
    for (int way = 0; way < WAYS; way++, at++)
        /* A stride over the plane of all (n, m), begun elsewhere in each way. */
        for (long i = at % stride; i <= (na - from_n + 1) * (nb - from_m + 1); i += stride, schedules++) {
            long n = from_n + i / (nb - from_m + 1), m = from_m + i % (nb - from_m + 1);

            check_round = n * 100 + way;
            check_step = m;
            schedule(n, m, (enum way)way);
        }
    actors_restore();
    for (int i = 0; i < ACTORS; i++) {
        if (actors[i].l.index == NOBODY)
            act_join_and_try(&actors[i]);
        limiter_detach(&actors[i].l);
    }
    printf("%s: %ld schedules of %ld x %ld accesses\n", pair->name, schedules, na, nb);
    return schedules;
}

static void nothing_goes_wrong_between_two_processes(void)
{
    static const struct pair pairs[] = {
        {"try | try", nearly_full, act_try, act_try, false, false},
        {"try and release | try and release", nobody_holds, act_try_and_release, act_try_and_release, false, false},
        {"enter and leave | try and release", nearly_full, act_enter_and_leave, act_try_and_release, false, false},
        {"enter | enter", nearly_full, act_enter, act_enter, false, false},
        {"enter | lower the limit", nearly_full, act_enter, act_lower, true, false},
        {"enter | pause", nobody_holds, act_enter, act_pause, true, false},
        {"expire and try | pause", cooling, act_try, act_pause, true, false},
        {"release with a waiter | pause", full_with_a_waiter, act_release, act_pause, true, false},
        {"enter | raise the limit", nearly_full, act_enter, act_raise, true, false},
        {"release with a waiter | release", full_with_a_waiter, act_release, act_release, false, false},
        {"release with a waiter | raise the limit", full_with_a_waiter, act_release, act_raise, true, false},
        {"release with a waiter | part", full_with_a_waiter, act_release, act_part, false, false},
        {"release with a waiter | lower the limit", full_with_a_waiter, act_release, act_lower, true, false},
        {"touch | part", full_with_a_waiter, act_touch, act_part, false, false},
        {"wait | release", full_and_a_waits, act_wait, act_release, false, false},
        {"wait | part", full_and_a_waits, act_wait, act_part, false, false},
        {"leave | leave", full_and_both_wait, act_leave, act_leave, false, false},
        {"leave | raise the limit", full_and_both_wait, act_leave, act_raise, true, false},
        {"part | raise the limit", full_and_both_wait, act_part, act_raise, true, false},
        {"look and grant | leave", full_and_both_wait, act_look_and_grant, act_leave, false, false},
        {"expire and try | expire and try", cooling, act_try, act_try, false, false},
        {"expire and enter | expire and try", cooling, act_enter, act_try_and_release, false, false},
        {"try and cool | try and cool", a_release_cools, act_try_and_release, act_try_and_release, false, false},
        {"try | try, a dead holder", a_dead_holder, act_try, act_try, false, false},
        {"sweep | sweep, a dead holder", a_dead_holder, act_sweep, act_sweep, false, false},
        {"sweep | sweep, be another in its entry", a_dead_holder, act_sweep, act_sweep_and_be_another, false, false},
        {"release | sweep, a dead waiter", a_dead_waiter, act_release, act_sweep, false, false},
        {"release | enter, a dead waiter", a_dead_waiter, act_release, act_enter, false, false},
        {"enter | release that has cooled", b_holds_all_and_its_release_cools, act_enter, act_release_and_cool, false, true},
        {"join and try | join and part", a_and_b_have_not_joined, act_join_and_try, act_join_and_part, false, false},
        {"join and try | sweep", a_has_not_joined, act_join_and_try, act_sweep_entries, false, false},
        {"sweep | sweep, dead entries", a_dead_holder, act_sweep_entries, act_sweep_entries, false, false},
        {"join and try | join and try", a_and_b_have_not_joined, act_join_and_try, act_join_and_try, false, false},
        {"watchdog | watchdog", stuck_holders, act_sweep, act_sweep, false, true},
        {"watchdog | try and release", stuck_holders, act_sweep, act_try_and_release, false, true},
        {"late release | watchdog, reuse, cool", one_stuck_holder_and_a_cooldown, act_release_late,
         act_take_back_reuse_and_cool, false, true},
        {"late touch | watchdog, reuse, touch", one_stuck_holder_and_a_cooldown, act_touch_late,
         act_take_back_reuse_and_touch, false, true},
        {"release with a waiter | grant it, reuse its slot", full_with_a_waiter_without_b, act_release, act_help_and_reuse, false, true},
        {"report | report", full_with_a_waiter, act_refuse, act_refuse, true, false},
    };
    long schedules = 0;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        schedules += explore(&pairs[i], LONG_MAX);
    printf("%ld schedules\n", schedules);
}

/* Before these accesses there is a look at every entry of the participant table. */
static void nobody_is_told_that_every_slot_is_taken_while_some_have_cooled(void)
{
    static const struct pair pair = {"try | try, no slot is FREE, three have cooled", every_slot_taken_and_three_cooled,
                                     act_try_with_room, act_try_with_room, false, true};

    explore(&pair, 150);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(nothing_goes_wrong_between_two_processes),
        PROPERTY(nobody_is_told_that_every_slot_is_taken_while_some_have_cooled),
    };

    check_bounded(600);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
