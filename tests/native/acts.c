/* acts.c - what an actor does, and the note it takes of what it then holds and waits for. */
#include "actor.h"
#include "admission.h"
#include "check.h"
#include "fake_os.h"
#include "queue.h"
#include "reaper.h"

static void keep(struct actor *p, enum shmlimit_status status) { p->holds = status == SHMLIMIT_OK; }
void act_try(struct actor *p) { keep(p, scratch_try(&p->l, 1000, &p->held)); }
/* Where nobody can be refused, however the others are interleaved. */
void act_try_with_room(struct actor *p)
{
    act_try(p);
    CHECK(p->holds);
}
void act_release(struct actor *p)
{
    if (p->holds)
        CHECK(limiter_release(&p->l, &p->held));
    p->holds = false;
}
/* And its cooldown is over before anybody has queued: whoever queues now has to find that. */
void act_release_and_cool(struct actor *p)
{
    act_release(p);
    if (!admission_has_waiters(load64(&p->l.header->admission.word)))
        fake_os.now_us += 1000;
}
void act_try_and_release(struct actor *p)
{
    act_try(p);
    act_release(p);
}
void act_enter(struct actor *p)
{
    enum shmlimit_status status = scratch_enter(&p->l, 1000, &p->queued);

    if (status == SHMLIMIT_OK)
        p->held = p->queued;
    keep(p, status);
    p->waits = status == SHMLIMIT_QUEUED;
}
void act_leave(struct actor *p)
{
    enum shmlimit_status status;

    if (!p->waits)
        return;
    p->waits = false;
    status = limiter_leave(&p->l, &p->queued);
    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_WOULD_BLOCK);
    if (status == SHMLIMIT_OK)
        return;
    CHECK(limiter_holds(&p->l, &p->queued));
    CHECK(limiter_release(&p->l, &p->queued));
}
/* Goes to sleep three times, in the first of which it also looks. */
void act_wait(struct actor *p)
{
    enum shmlimit_status status = SHMLIMIT_INTERRUPTED;

    for (int sleeps = 0; p->waits && sleeps < 3 && status == SHMLIMIT_INTERRUPTED; sleeps++)
        status = limiter_wait(&p->l, &p->queued, UINT64_MAX);
    if (status != SHMLIMIT_OK)
        return;
    p->waits = false;
    p->holds = true;
    p->held = p->queued;
}
void act_enter_and_leave(struct actor *p)
{
    act_enter(p);
    act_leave(p);
}
static void nobody_beyond(struct actor *p, uint32_t floor_milli)
{
    uint32_t used_milli = scratch_used_milli(&p->l);

    ceiling_milli = used_milli > floor_milli ? used_milli : floor_milli;
}
void act_lower(struct actor *p)
{
    limiter_set_limit(&p->l, 1);
    nobody_beyond(p, 1000);
}
void act_pause(struct actor *p)
{
    limiter_pause(&p->l, UINT64_MAX, false);
    nobody_beyond(p, 0);
}
void act_raise(struct actor *p) { limiter_set_limit(&p->l, 3); }
void act_sweep(struct actor *p)
{
    struct queue_outlook outlook;
    uint32_t taken_back = 0;

    CHECK_EQUAL(reaper_sweep(&p->l, REAP_OWNERS, &taken_back), SHMLIMIT_OK);
    CHECK_EQUAL(queue_grant(&p->l, false, &outlook), SHMLIMIT_OK);
}
void act_look_and_grant(struct actor *p)
{
    struct queue_outlook outlook;

    CHECK_EQUAL(queue_grant(&p->l, false, &outlook), SHMLIMIT_OK);
}
/* What limiter_detach does before it unmaps. */
void act_part(struct actor *p)
{
    struct queue_outlook outlook;
    uint32_t taken_back = 0;

    p->holds = p->waits = false;
    CHECK_EQUAL(reaper_reclaim(&p->l, p->l.index, load64(&p->l.participants[p->l.index].word), &taken_back), SHMLIMIT_OK);
    os_unlock(p->l.fd, LOCK_BASE + p->l.index);
    CHECK_EQUAL(queue_grant(&p->l, false, &outlook), SHMLIMIT_OK);
    p->l.index = NOBODY;
}
void act_join_and_try(struct actor *p)
{
    struct fault fault;

    CHECK_EQUAL(participants_join(&p->l, &fault), SHMLIMIT_OK);
    act_try(p);
}
void act_join_and_part(struct actor *p)
{
    struct fault fault;

    CHECK_EQUAL(participants_join(&p->l, &fault), SHMLIMIT_OK);
    act_part(p);
}
/* What limiter_reap does, for the entries that anybody here uses. */
void act_sweep_entries(struct actor *p)
{
    uint32_t taken_back = 0;
    uint64_t word;

    for (uint32_t i = 0; i < ACTORS; i++)
        if (participants_is_dead(&p->l, i, &word))
            CHECK_EQUAL(reaper_reclaim(&p->l, i, word, &taken_back), SHMLIMIT_OK);
    act_sweep(p);
}
/* The dead one's entry goes to a new process, which this one plays: it takes a permit at once. */
void act_sweep_and_be_another(struct actor *p)
{
    struct actor *c = &actors[C];
    struct fault fault;

    act_sweep(p);
    if (participant_state(load64(&c->l.participants[c->l.index].word)) != PARTICIPANT_FREE)
        return;
    p->plays = c;
    CHECK_EQUAL(participants_join(&c->l, &fault), SHMLIMIT_OK);
    c->dead = c->holds = c->waits = false;
    act_try(c);
    p->plays = NULL;
}
void act_touch(struct actor *p)
{
    if (p->holds)
        CHECK(limiter_touch(&p->l, &p->held));
    p->touched_us = fake_os.now_us;
}

/* ---- Acts that come late: by now the watchdog may have taken the permit, and the slot may be another's. */
void act_release_late(struct actor *p)
{
    limiter_release(&p->l, &p->held);
    p->holds = false;
}
void act_touch_late(struct actor *p)
{
    p->may_have_lost = true;
    limiter_touch(&p->l, &p->held);
}
static void take_the_same_slot(struct actor *p, uint32_t slot)
{
    struct gate_view view;
    bool found = true;
    uint64_t a;

    fake_os.now_us += 2000;
    while (found) {
        CHECK_EQUAL(admission_settle(&p->l, &a), SHMLIMIT_OK);
        gate_read(&p->l, &view);
        CHECK_EQUAL(queue_expire_one(&p->l, a, &view, &found), SHMLIMIT_OK);
    }
    atomic_store(&p->l.last_slot, slot);
    act_try(p);
}
void act_take_back_reuse_and_cool(struct actor *p)
{
    act_sweep(p);
    take_the_same_slot(p, 0);
    act_release(p);
}
void act_take_back_reuse_and_touch(struct actor *p)
{
    act_sweep(p);
    take_the_same_slot(p, 0);
    fake_os.now_us += 100;
    act_touch(p);
}
/* The waiter that A admits is here already, and gone again, and its slot another's. */
void act_help_and_reuse(struct actor *p)
{
    struct actor *c = &actors[C];

    act_look_and_grant(p);
    if (!c->waits || !limiter_holds(&c->l, &c->queued))
        return;
    c->waits = false;
    c->holds = c->may_have_lost = true; /* until the release, in which we may die */
    c->held = c->queued;
    CHECK(limiter_release(&c->l, &c->held));
    c->holds = false;
    take_the_same_slot(p, c->queued.slot);
}
void act_refuse(struct actor *p)
{
    bool reduced;

    limiter_report_refusal(&p->l, p->holds ? &p->held : NULL, fake_os.now_us, &reduced);
}
