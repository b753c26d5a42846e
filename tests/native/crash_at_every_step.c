/* crash_at_every_step.c - a process that is killed, or stopped, before its n-th access to shared memory, for every n of every
 * operation, while others stay attached. Built with SHMLIMIT_STEP=step.
 *
 * A dead process leaves nothing but the bytes, so accesses that only read leave what the one before them left: for the long
 * scans of the reaper (`scans`) a death is tried once for each different content. A stopped one goes on: there each access counts. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "doomed.h"

#define HANG_S 100

/* ---- Afterwards: nothing is lost, nothing is left. */
static void admit_the_waiter(void)
{
    enum shmlimit_status status;

    if (!is_waiting)
        return;
    is_waiting = false;
    /* What the operation would have made room for is either there, or was never given: then give it. */
    if (scratch_count(&survivor, SLOT_HELD) >= LIMIT)
        let_go();
    do
        status = limiter_wait(&second, &waiting, UINT64_MAX);
    while (status == SHMLIMIT_INTERRUPTED);
    CHECK_EQUAL(status, SHMLIMIT_OK);
    CHECK(limiter_holds(&second, &waiting));
    CHECK(limiter_release(&second, &waiting));
}

static void recover(bool by_reap)
{
    uint32_t taken_back, living = 0;

    scratch_audit(&survivor);
    CHECK_EQUAL(limiter_reset(&survivor), SHMLIMIT_OK);
    if (by_reap)
        CHECK_EQUAL(limiter_reap(&survivor, &taken_back), SHMLIMIT_OK);
    scratch_audit(&survivor);
    admit_the_waiter();
    let_go();
    CHECK_EQUAL(limiter_set_limit(&survivor, LIMIT), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_cooldown(&survivor, 0), SHMLIMIT_OK);
    while (load64(&survivor.header->gate.word) && os_now_us() < gate_t0_us(load64(&survivor.header->gate.word)) + 3000)
        sched_yield();
    while (os_now_us() < gate_t0_us(load64(&survivor.header->gate.refusal)) + 3000)
        sched_yield();
    /* The last cooldown, of 500 us, begun before now. */
    for (uint64_t cooled_us = os_now_us() + 501; os_now_us() < cooled_us;)
        sched_yield();
    scratch_check_limit(&survivor, LIMIT);
    CHECK_EQUAL(limiter_reap(&survivor, &taken_back), SHMLIMIT_OK);
    scratch_check_empty(&survivor);
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        living += participant_state(load64(&survivor.participants[i].word)) != PARTICIPANT_FREE;
    CHECK_EQUAL(living, 2);
}

static void new_world(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(SLOTS, LIMIT);

    settings.stale_after_us = 2000;
    settings.settle_us = 500;
    scratch_segment(&settings);
    scratch_attach(&survivor);
    scratch_attach(&second);
    n_held = 0;
    is_waiting = false;
}

static void end_world(void)
{
    limiter_detach(&second);
    limiter_detach(&survivor);
}

/* ---- Killed. */
static long kill_at_each_step(const struct scenario *s)
{
    long n = 1;
    int status = 0;

    check_scene = s->name;
    for (bool completed = false; !completed; n++) {
        for (int by_reap = 0; by_reap < 2; by_reap++) {
            int go[2];
            pid_t pid = start(s, n, SIGKILL, go);

            check_round = by_reap;
            check_step = n;
            CHECK(waitpid(pid, &status, 0) == pid);
            CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
            completed = !WIFSIGNALED(status);
            end_helper();
            recover(by_reap);
        }
    }
    return n - 2;
}

static const struct scenario simple[] = {
    {"try and release", nothing, nothing, try_and_release, false, false},
    {"try when full", nothing, fill, try_and_release, false, false},
    {"enter, queue, leave", nothing, fill, enter_and_leave, false, false},
    {"enter behind a waiter, leave", nothing, fill_and_queue, enter_and_leave, false, false},
    {"enter and wait until another grants", nothing, release_when_asked, enter_and_wait, false, false},
    {"release with a waiter", child_holds, hold_one_and_queue, release, false, false},
    {"release with a cooldown", child_holds, cool_for_a_while, release, false, false},
    {"touch and release", child_holds, hold_one_and_queue, touch, false, false},
    {"expire", nothing, leave_cooled, try_and_release, false, false},
    {"raise the limit", nothing, fill_and_queue, raise_limit, false, false},
    {"reset", nothing, pause_and_queue, reset, false, false},
    {"pause", nothing, fill_and_queue, pause_long, false, false},
    {"report a refusal", child_holds, hold_one_and_queue, report, false, false},
    {"write a sample", child_polls, fill_and_queue, write_sample, false, false},
    {"write a failure", child_polls, fill_and_queue, write_failure, false, false},
    {"detach", hold_and_queue_in_child, hold_one_and_queue, detach, false, false},
    {"attach", nothing, nothing, attach, false, true},
};
#define SIMPLE (sizeof simple / sizeof *simple)

static void a_death_at_any_step_loses_nothing(void)
{
    for (size_t i = 0; i < SIMPLE; i++) {
        new_world();
        printf("%s: %ld kill points\n", simple[i].name, kill_at_each_step(&simple[i]));
        end_world();
    }
}

/* A reaper that dies at any step while it takes back from one that died at any step. */
static void nested(const char *name, void (*act)(void), void (*arrange)(void), bool every)
{
    const struct scenario s = {name, nothing, arrange, reap, true, false};
    long points = 0, victims = 0;

    new_world();
    victim_act = act;
    victim_completed = false;
    for (victim_step = 1; !victim_completed; victim_step += every ? 1 : 3, victims++)
        points += kill_at_each_step(&s);
    end_world();
    printf("%s: %ld kill points of the reaper after %ld of its victim\n", name, points, victims);
}

static void a_death_of_the_reaper_loses_nothing(void)
{
    nested("reap after a death in try and release", try_and_release, find_a_corpse, true);
    nested("reap after a death in enter and leave", enter_and_leave, find_a_corpse_in_a_queue, false);
    nested("reap after a death in attach and detach", detach, find_a_corpse, true);
}

/* ---- Stopped. */
static void load(void)
{
    struct permit permits[2];

    CHECK_EQUAL(limiter_reset(&survivor), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_limit(&survivor, LIMIT + 1), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_cooldown(&survivor, 0), SHMLIMIT_OK);
    for (int cycle = 0; cycle < 12; cycle++) {
        struct limiter *l = cycle & 1 ? &survivor : &second;

        for (int i = 0; i < 2; i++) {
            enum shmlimit_status status = scratch_enter(l, 500, &permits[i]);

            /* What the stopped one left cooling may be in the way for a while. */
            while (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED)
                status = limiter_wait(l, &permits[i], UINT64_MAX);
            CHECK_EQUAL(status, SHMLIMIT_OK);
            CHECK(scratch_used_milli(l) <= (LIMIT + 1) * 1000);
        }
        scratch_audit(&survivor);
        for (int i = 0; i < 2; i++)
            CHECK(limiter_release(l, &permits[i]));
    }
    scratch_audit(&survivor);
}

static void freeze(const struct scenario *s, long n, bool *completed)
{
    uint32_t taken_back;
    bool child_is_live;
    int go[2], status;
    pid_t pid = start(s, n, SIGSTOP, go);
    uint64_t before[SLOTS];

    check_step = n;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    if ((*completed = !WIFSTOPPED(status))) {
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        end_helper();
        recover(true);
        return;
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        before[i] = load64(&survivor.slots[i].word);
    CHECK_EQUAL(limiter_reset(&survivor), SHMLIMIT_OK);
    admit_the_waiter();
    let_go();
    load();
    child_is_live = !s->attaches && strcmp(s->name, "detach");
    CHECK_EQUAL(limiter_reap(&survivor, &taken_back), SHMLIMIT_OK);
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t participant = slot_participant(before[i]);

        /* Stopped is not dead: what it holds stays its own. */
        if (child_is_live && !helper && slot_state(before[i]) == SLOT_HELD && participant != survivor.index
            && participant != second.index)
            CHECK(load64(&survivor.slots[i].word) == before[i]);
    }
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end_helper();
    scratch_audit(&survivor);
    CHECK(scratch_used_milli(&survivor) <= (LIMIT + 1) * 1000);
    recover(true);
}

static void a_stop_at_any_step_stops_nobody_else(void)
{
    static const struct scenario reaping = {"reap", nothing, find_a_corpse, reap, true, false};

    victim_act = try_and_release;
    victim_step = 12;
    for (size_t i = 0; i <= SIMPLE; i++) {
        const struct scenario *s = i < SIMPLE ? &simple[i] : &reaping;
        long points = 0;
        bool completed = false;

        check_scene = s->name;
        new_world();
        /* Beyond the first accesses the reaper's are reads of entries that nobody uses. */
        for (long n = 1; !completed; n += s->scans && n > 120 ? 97 : 1, points++)
            freeze(s, n, &completed);
        end_world();
        printf("%s: %ld stops\n", s->name, points - 1);
    }
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_death_at_any_step_loses_nothing),
        PROPERTY(a_death_of_the_reaper_loses_nothing),
        PROPERTY(a_stop_at_any_step_stops_nobody_else),
    };

    check_bounded(HANG_S);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
