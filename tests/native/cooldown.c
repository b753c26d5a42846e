/* cooldown.c - a released slot counts until its time and no longer. Linked with fake_os.c. */
#include "standstill.h"

static void a_cooldown_is_over_at_its_time_and_never_before(void)
{
    begin(1);
    fill(1);
    release(0);
    pass(COOLDOWN_US - 1);
    CHECK(!may_enter());
    pass(1);
    CHECK(may_enter());
    end();
}

static void a_waiter_is_admitted_when_the_cooldown_is_over(void)
{
    struct queue_outlook outlook;

    begin(1);
    fill(1);
    queue();
    release(0);
    CHECK_EQUAL(queue_grant(&me, false, &outlook), SHMLIMIT_OK);
    CHECK(outlook.head == waiting.slot && outlook.changes_at_us == fake_os.now_us + COOLDOWN_US);
    pass(COOLDOWN_US - 1);
    CHECK_EQUAL(look(), 0);
    pass(1);
    CHECK_EQUAL(look(), 1);
    CHECK(is_in());
    end();
}

static void a_parked_head_looks_again_when_the_cooldown_is_over(void)
{
    begin(1);
    fill(1);
    limiter_set_cooldown(&me, 30000);
    queue();
    release(0);
    CHECK_EQUAL(limiter_wait(&other, &waiting, UINT64_MAX), SHMLIMIT_INTERRUPTED);
    CHECK_EQUAL(waiting.look_at_us, fake_os.now_us + 30000);
    pass(30000);
    CHECK_EQUAL(limiter_wait(&other, &waiting, UINT64_MAX), SHMLIMIT_OK);
    end();
}

static void a_second_release_neither_stretches_nor_cuts_a_cooldown(void)
{
    struct permit first;

    begin(1);
    fill(1);
    first = held[0];
    release(0);
    pass(COOLDOWN_US / 2);
    CHECK(!limiter_release(&me, &first));
    pass(COOLDOWN_US / 2);
    hold_again(&first);
    release(0);
    CHECK(!limiter_release(&me, &first));
    CHECK(!may_enter());
    pass(COOLDOWN_US - 1);
    CHECK(!may_enter());
    pass(1);
    CHECK(may_enter());
    end();
}

static void a_changed_cooldown_applies_to_later_releases(void)
{
    begin(2);
    fill(2);
    release(0);
    CHECK_EQUAL(limiter_set_cooldown(&other, 10), SHMLIMIT_OK);
    release(1);
    pass(10);
    CHECK(may_enter());
    CHECK(limiter_release(&other, &newcomer));
    pass(10);
    CHECK_EQUAL(scratch_try(&other, 2000, &newcomer), SHMLIMIT_WOULD_BLOCK);
    pass(COOLDOWN_US - 20);
    CHECK_EQUAL(scratch_try(&other, 2000, &newcomer), SHMLIMIT_OK);
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_cooldown_is_over_at_its_time_and_never_before),
        PROPERTY(a_waiter_is_admitted_when_the_cooldown_is_over),
        PROPERTY(a_parked_head_looks_again_when_the_cooldown_is_over),
        PROPERTY(a_second_release_neither_stretches_nor_cuts_a_cooldown),
        PROPERTY(a_changed_cooldown_applies_to_later_releases),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
