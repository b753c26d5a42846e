/* fork.c - what a forked child has of its parent's: nothing but the right to begin anew. Children end as processes do. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "scratch.h"

static struct limiter l;
static struct permit held, queued;

static void begin(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4, 2);

    scratch_segment(&settings);
    scratch_attach(&l);
    held = scratch_hold(&l);
    CHECK_EQUAL(scratch_enter(&l, 2000, &queued), SHMLIMIT_QUEUED);
}

static void in_a_child(long (*clone_or_fork)(void), void (*act)(void))
{
    pid_t child;
    int status;

    fflush(stdout);
    if (!(child = (pid_t)clone_or_fork())) {
        act();
        exit(0);
    }
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
}

/* The parent holds and waits as before, and all of the child's is free. */
static void end(void)
{
    uint32_t taken_back;

    CHECK_EQUAL(limiter_reap(&l, &taken_back), SHMLIMIT_OK);
    CHECK(limiter_holds(&l, &held));
    CHECK_EQUAL(limiter_leave(&l, &queued), SHMLIMIT_OK);
    CHECK(limiter_release(&l, &held));
    scratch_check_empty(&l);
    limiter_detach(&l);
}

static long forked(void) { return fork(); }
static long cloned(void) { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }

static void take_nothing_and_begin_anew(void)
{
    struct permit own;

    CHECK(!limiter_is_current(&l));
    CHECK(!limiter_holds(&l, &held));
    CHECK(!limiter_touch(&l, &held));
    CHECK(!limiter_release(&l, &held));
    CHECK_EQUAL(limiter_leave(&l, &queued), SHMLIMIT_LOST);
    CHECK_EQUAL(limiter_wait(&l, &queued, UINT64_MAX), SHMLIMIT_LOST);
    CHECK_EQUAL(limiter_poll(&l, &queued, true, true), SHMLIMIT_LOST);
    CHECK_EQUAL(scratch_try(&l, 1000, &own), SHMLIMIT_WOULD_BLOCK); /* the parent waits */
    CHECK(limiter_is_current(&l));
    CHECK(!limiter_release(&l, &held));
    limiter_detach(&l);
}

static void a_child_has_nothing_of_its_parents(void)
{
    begin();
    in_a_child(forked, take_nothing_and_begin_anew);
    end();
}

static void a_raw_clone_has_nothing_of_its_parents(void)
{
    begin();
    in_a_child(cloned, take_nothing_and_begin_anew);
    end();
}

static void take_one_and_end(void)
{
    CHECK_EQUAL(limiter_renew(&l), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_limit(&l, 4), SHMLIMIT_OK); /* grants the parent's waiter, too */
    scratch_hold(&l);
}

static void what_a_child_held_is_taken_back_and_its_parents_is_not(void)
{
    begin();
    in_a_child(forked, take_one_and_end);
    CHECK_EQUAL(limiter_wait(&l, &queued, UINT64_MAX), SHMLIMIT_OK);
    CHECK_EQUAL(scratch_count(&l, SLOT_HELD), 3);
    CHECK(limiter_release(&l, &queued));
    CHECK_EQUAL(scratch_enter(&l, 4000, &queued), SHMLIMIT_QUEUED);
    end();
}

static void be_told_that_the_name_is_gone(void)
{
    uint32_t taken_back;
    bool reduced;

    CHECK_EQUAL(limiter_renew(&l), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(limiter_reap(&l, &taken_back), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(limiter_set_cooldown(&l, 0), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(limiter_pause(&l, 0, false), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(limiter_reset(&l), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(limiter_report_refusal(&l, NULL, 0, &reduced), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(poller_elect(&l), SHMLIMIT_ORPHANED);
    limiter_detach(&l);
}

static void a_child_does_not_begin_in_a_segment_that_has_lost_its_name(void)
{
    begin();
    scratch_remove();
    in_a_child(forked, be_told_that_the_name_is_gone);
    end();
}

static void observe(void)
{
    struct snapshot now;

    CHECK_EQUAL(limiter_renew(&l), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_snapshot(&l, &now, NULL, 0), SHMLIMIT_OK);
    CHECK_EQUAL(now.held, 1);
    limiter_detach(&l);
}

static void a_child_of_an_observer_observes(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4, 2);
    struct limiter holder;
    struct fault fault;

    scratch_segment(&settings);
    scratch_attach(&holder);
    held = scratch_hold(&holder);
    CHECK_EQUAL(limiter_attach(&l, scratch_path(), true, &fault), SHMLIMIT_OK);
    in_a_child(forked, observe);
    limiter_detach(&l);
    CHECK(limiter_release(&holder, &held));
    limiter_detach(&holder);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_child_has_nothing_of_its_parents),
        PROPERTY(a_raw_clone_has_nothing_of_its_parents),
        PROPERTY(what_a_child_held_is_taken_back_and_its_parents_is_not),
        PROPERTY(a_child_does_not_begin_in_a_segment_that_has_lost_its_name),
        PROPERTY(a_child_of_an_observer_observes),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
