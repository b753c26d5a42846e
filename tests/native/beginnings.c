/* beginnings.c - how a world begins. Everybody claims slot 0 first; A has a finished EXPIRE of slot 0 in it. */
#include <string.h>

#include "actor.h"
#include "check.h"
#include "fake_os.h"

static void begin(uint32_t limit)
{
    struct segment_settings settings = SCRATCH_SETTINGS(SLOTS, limit);

    scratch_segment(&settings);
    fake_os = (struct fake_os){.now_us = 1000000000};
    memset(actors, 0, sizeof actors);
    for (int i = 0; i < ACTORS; i++)
        scratch_attach(&actors[i].l);
    for (int i = 0; i < ACTORS; i++)
        atomic_store(&actors[i].l.last_slot, 0);
    act_try_and_release(&actors[INSPECTOR]);
}
void nobody_holds(void) { begin(2); }
void nearly_full(void)
{
    begin(2);
    act_try(&actors[INSPECTOR]);
}
void full_with_a_waiter(void)
{
    begin(2);
    act_try(&actors[A]);
    act_try(&actors[B]);
    act_enter(&actors[C]);
    CHECK(actors[C].waits);
}
void full_with_a_waiter_without_b(void)
{
    begin(2);
    act_try(&actors[A]);
    act_try(&actors[INSPECTOR]);
    act_enter(&actors[C]);
    CHECK(actors[C].waits);
}
void full_and_a_waits(void)
{
    begin(1);
    act_try(&actors[B]);
    act_enter(&actors[A]);
}
void full_and_both_wait(void)
{
    begin(1);
    act_try(&actors[C]);
    act_enter(&actors[A]);
    act_enter(&actors[B]);
}
void cooling(void)
{
    begin(2);
    limiter_set_cooldown(&actors[C].l, 10);
    act_try(&actors[A]);
    act_try(&actors[C]);
    act_release(&actors[C]);
    act_release(&actors[A]);
    fake_os.now_us += 10;
}
void a_release_cools(void)
{
    begin(2);
    limiter_set_cooldown(&actors[C].l, 1000);
    fake_os.now_us += 10;
}
void b_holds_all_and_its_release_cools(void)
{
    begin(1);
    limiter_set_cooldown(&actors[C].l, 1000);
    fake_os.now_us += 10;
    act_try(&actors[B]);
}
void every_slot_taken_and_three_cooled(void)
{
    struct permit permits[SLOTS - 2];

    begin(SLOTS - 1);
    limiter_set_cooldown(&actors[C].l, 10);
    act_try(&actors[C]);
    act_try(&actors[INSPECTOR]);
    for (uint32_t i = 0; i < SLOTS - 2; i++)
        CHECK_EQUAL(scratch_try(&actors[C].l, 500, &permits[i]), SHMLIMIT_OK);
    for (uint32_t i = 0; i < SLOTS - 2; i++)
        CHECK(limiter_release(&actors[C].l, &permits[i]));
    fake_os.now_us += 10;
    limiter_set_cooldown(&actors[C].l, 0);
}
void a_has_not_joined(void)
{
    begin(2);
    act_part(&actors[A]);
}

void a_and_b_have_not_joined(void)
{
    begin(2);
    act_part(&actors[A]);
    act_part(&actors[B]);
}

void a_dead_holder(void)
{
    begin(2);
    act_try(&actors[C]);
    act_try(&actors[INSPECTOR]);
    fake_os_drop(actors[C].l.fd);
    actors[C].dead = true;
}
void a_dead_waiter(void)
{
    begin(1);
    act_try(&actors[A]);
    act_enter(&actors[C]);
    fake_os_drop(actors[C].l.fd);
    actors[C].dead = true;
}
void stuck_holders(void)
{
    begin(2);
    limiter_set_slot_timeout(&actors[C].l, 1000);
    act_try(&actors[C]);
    fake_os.now_us += 2000;
    actors[C].holds = false; /* it will be taken back */
}

void one_stuck_holder_and_a_cooldown(void)
{
    begin(2);
    limiter_set_slot_timeout(&actors[C].l, 1000);
    limiter_set_cooldown(&actors[C].l, 500);
    act_try(&actors[A]);
    fake_os.now_us += 1500;
}
