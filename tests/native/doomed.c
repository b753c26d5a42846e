#define _GNU_SOURCE
#include "doomed.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

void step(void);

/* ---- In the child: dies or stops at its n-th access once armed. */
static long target, steps;
static int fate;
static bool counts_changes;
static struct limiter child;
static char seen_bytes[512], seen_participants[8 * sizeof(struct participant)], seen_slots[SLOTS * sizeof(struct slot)];

static bool differs(void *seen, const void *now, size_t size)
{
    bool is = memcmp(seen, now, size) != 0;

    memcpy(seen, now, size);
    return is;
}

static bool changed(void)
{
    if (!child.header)
        return true;
    return differs(seen_bytes, child.header, sizeof seen_bytes)
           | differs(seen_participants, child.participants, sizeof seen_participants)
           | differs(seen_slots, child.slots, sizeof seen_slots);
}

void step(void)
{
    if (!target || (counts_changes && !changed()) || ++steps != target)
        return;
    kill(getpid(), fate);
}

/* ---- The world: the parent's two attachments, and what the parent holds and waits for. */
struct limiter survivor, second;
struct permit held[4], waiting;
uint32_t n_held;
bool is_waiting;
pid_t helper;
static struct permit in_child, in_child_too;

static void hold(uint32_t n)
{
    while (n--)
        held[n_held++] = scratch_hold(&survivor);
}

void let_go(void)
{
    while (n_held)
        limiter_release(&survivor, &held[--n_held]);
}

static void queue_up(void)
{
    CHECK_EQUAL(scratch_enter(&second, 1000, &waiting), SHMLIMIT_QUEUED);
    is_waiting = true;
}

/* ---- What the child does. prepare: before it is armed; arrange: in the parent, after that. */

static void child_attach(void)
{
    struct fault fault;

    if (limiter_attach(&child, scratch_path(), false, &fault) != SHMLIMIT_OK)
        _exit(9);
}

static void child_release(struct permit *permit, enum shmlimit_status status)
{
    if (status == SHMLIMIT_OK)
        limiter_release(&child, permit);
}

void nothing(void) {}
void child_holds(void)
{
    if (scratch_try(&child, 1000, &in_child) != SHMLIMIT_OK)
        _exit(9);
}
void child_polls(void)
{
    if (poller_elect(&child) != SHMLIMIT_OK)
        _exit(9);
}
void fill(void) { hold(LIMIT); }
void hold_one_and_queue(void) { hold(1), queue_up(); }
void fill_and_queue(void) { hold(LIMIT), queue_up(); }
void cool_for_a_while(void)
{
    limiter_set_cooldown(&survivor, 500);
    hold_one_and_queue();
}
void leave_cooled(void)
{
    limiter_set_cooldown(&survivor, 1);
    fill();
    let_go();
}
void pause_and_queue(void)
{
    limiter_pause(&survivor, UINT64_MAX, false);
    queue_up();
}

void try_and_release(void) { child_release(&in_child, scratch_try(&child, 1000, &in_child)); }
void enter_and_leave(void)
{
    enum shmlimit_status status = scratch_enter(&child, 1000, &in_child);

    if (status == SHMLIMIT_QUEUED)
        status = limiter_leave(&child, &in_child) == SHMLIMIT_WOULD_BLOCK ? SHMLIMIT_OK : SHMLIMIT_LOST;
    child_release(&in_child, status);
}
void enter_and_wait(void)
{
    enum shmlimit_status status = scratch_enter(&child, 1000, &in_child);

    while (status == SHMLIMIT_QUEUED || status == SHMLIMIT_INTERRUPTED)
        status = limiter_wait(&child, &in_child, UINT64_MAX);
    child_release(&in_child, status);
}
void release(void) { limiter_release(&child, &in_child); }
void raise_limit(void) { limiter_set_limit(&child, LIMIT + 1); }
void reset(void) { limiter_reset(&child); }
void pause_long(void) { limiter_pause(&child, os_now_us() + 3600000000, false); }
void touch(void)
{
    limiter_touch(&child, &in_child);
    limiter_release(&child, &in_child);
}
void report(void)
{
    bool reduced;

    limiter_report_refusal(&child, &in_child, os_now_us() + 1, &reduced);
    limiter_release(&child, &in_child);
}
void write_sample(void) { poller_write_sample(&child, 0, os_now_us(), 0); }
void write_failure(void) { poller_write_failure(&child, os_now_us(), "time-out", 8); }
void reap(void)
{
    uint32_t taken_back;

    limiter_reap(&child, &taken_back);
}
void detach(void) { limiter_detach(&child); }
void attach(void) { child_attach(); }
void hold_and_queue_in_child(void)
{
    child_holds();
    if (scratch_enter(&child, 1000, &in_child_too) == SHMLIMIT_OK)
        limiter_release(&child, &in_child_too);
}

/* ---- Processes. */
static pid_t fork_child(void)
{
    pid_t parent = getpid(), pid = fork();

    CHECK(pid >= 0);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(9);
    return 0;
}

/* Releases one permit as soon as somebody waits, or is a dead holder when the parent ends it. */
void release_when_asked(void)
{
    int ready[2];
    char byte = 0;

    hold(1);
    CHECK(!pipe(ready));
    if (!(helper = fork_child())) {
        child_attach();
        child_holds();
        if (write(ready[1], &byte, 1) != 1)
            _exit(9);
        while (!admission_has_waiters(load64(&child.header->admission.word)))
            sched_yield();
        release();
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
}

long victim_step;
void (*victim_act)(void);
bool victim_completed;

void find_a_corpse(void)
{
    pid_t pid = fork_child();
    int status;

    if (!pid) {
        child_attach();
        fate = SIGKILL;
        target = victim_step;
        victim_act();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    victim_completed = !WIFSIGNALED(status);
}
void find_a_corpse_in_a_queue(void)
{
    hold(LIMIT);
    find_a_corpse();
}

pid_t start(const struct scenario *s, long n, int signal_at_step, int go[2])
{
    int ready[2];
    char byte = 0;
    pid_t pid;

    CHECK(!pipe(ready) && !pipe(go));
    if (!(pid = fork_child())) {
        if (!s->attaches)
            child_attach();
        s->prepare();
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
            _exit(9);
        fate = signal_at_step;
        steps = 0;
        counts_changes = s->scans && signal_at_step == SIGKILL;
        changed();
        target = n;
        s->act();
        target = 0;
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    s->arrange();
    CHECK(write(go[1], &byte, 1) == 1);
    close(go[0]);
    close(go[1]);
    return pid;
}

void end_helper(void)
{
    if (!helper)
        return;
    kill(helper, SIGKILL);
    CHECK(waitpid(helper, NULL, 0) == helper);
    helper = 0;
}
