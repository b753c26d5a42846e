/* gate.c - what the upstream says, and for how long it counts. Linked with fake_os.c. */
#include "standstill.h"

static void a_sample_older_than_the_cooldowns_end_frees_nothing(void)
{
    begin(1);
    fill(1);
    pass(SETTLE_US);
    sample(0);
    release(0);
    pass(COOLDOWN_US - 1000);
    sample(0);
    pass(2000);
    CHECK(!may_enter());
    sample(0);
    CHECK(may_enter());
    end();
}

static void a_sample_at_the_cooldowns_end_frees_a_slot_for_a_waiter(void)
{
    begin(1);
    fill(1);
    pass(SETTLE_US);
    sample(0);
    queue();
    release(0);
    pass(COOLDOWN_US);
    CHECK_EQUAL(look(), 0);
    sample(0);
    CHECK(is_in());
    end();
}

static void a_sample_that_may_be_of_before_the_start_does_not_confirm_the_end(void)
{
    begin(1);
    sample(0);
    fill(1);
    release(0);
    pass(SETTLE_US - 2000);
    sample(0);
    pass(1000);
    CHECK(!may_enter());
    pass(1000);
    sample(0);
    CHECK(may_enter());
    end();
}

static void without_a_confirming_sample_a_slot_is_due_after_a_bounded_wait(void)
{
    begin(1);
    fill(1);
    pass(SETTLE_US);
    sample(0);
    release(0);
    pass(COOLDOWN_US + CONFIRM_WAIT_US - 1);
    CHECK(view_now().fresh);
    CHECK(!may_enter());
    pass(1);
    CHECK(view_now().fresh);
    CHECK(may_enter());
    end();
}

static void foreign_work_lowers_the_cap(void)
{
    begin_with(3, 0, 0);
    sample(2000);
    CHECK_EQUAL(view_now().cap_milli, 1000);
    CHECK_EQUAL(view_now().bound, BLOCKED_FOREIGN);
    fill(1);
    CHECK(!may_enter());
    queue();
    pass(1000);
    sample(1000);
    CHECK(is_in());
    pass(1000);
    sample(7000);
    CHECK_EQUAL(view_now().cap_milli, 0);
    CHECK(is_in() && limiter_holds(&me, &held[0]));
    end();
}

static void a_stale_sample_counts_no_more(void)
{
    begin_with(2, 0, 0);
    sample(2000);
    pass(STALE_US - 1);
    CHECK(view_now().fresh && !may_enter());
    pass(1);
    CHECK(!view_now().fresh && may_enter());
    CHECK_EQUAL(view_now().confirmed_us, NEVER_US);
    end();
}

static void closed_on_stale_admits_nobody_without_a_fresh_sample(void)
{
    begin_with(2, 0, FLAG_CLOSED_ON_STALE);
    CHECK(!may_enter());
    CHECK_EQUAL(view_now().bound, BLOCKED_STALE);
    queue();
    sample(0);
    CHECK(is_in() && may_enter());
    CHECK(limiter_release(&other, &newcomer));
    pass(STALE_US);
    CHECK(!may_enter());
    end();
}

static void a_failed_poll_leaves_the_cooldown_alone_to_decide(void)
{
    begin(2);
    fill(1);
    sample(2000);
    CHECK(!may_enter());
    release(0);
    pass(1000);
    CHECK_EQUAL(poller_write_failure(&poller, fake_os.now_us, "HTTP 500", 8), SHMLIMIT_OK);
    CHECK(!view_now().fresh);
    CHECK_EQUAL(view_now().cap_milli, 2000);
    CHECK_EQUAL(scratch_try(&other, 2000, &newcomer), SHMLIMIT_WOULD_BLOCK);
    pass(COOLDOWN_US - 1000);
    CHECK_EQUAL(scratch_try(&other, 2000, &newcomer), SHMLIMIT_OK);
    end();
}

static void an_end_is_not_taken_for_granted_before_a_started_poller_has_answered(void)
{
    begin(1);
    fill(1);
    CHECK(poller_claim_start(&other));
    release(0);
    pass(COOLDOWN_US + 1);
    CHECK(!view_now().fresh && !may_enter());
    CHECK_EQUAL(poller_write_failure(&poller, fake_os.now_us, "HTTP 500", 8), SHMLIMIT_OK);
    CHECK(may_enter());
    end();
}

static void a_poller_that_is_started_again_and_again_and_never_answers_delays_once(void)
{
    begin(1);
    CHECK(poller_claim_start(&other));
    for (uint64_t second = 1000000; second < CONFIRM_WAIT_US; second += 1000000) {
        pass(1000000);
        CHECK(poller_claim_start(&other));
        CHECK_EQUAL(view_now().confirmed_us, 0);
    }
    pass(1000000);
    CHECK(poller_claim_start(&other));
    CHECK_EQUAL(view_now().confirmed_us, NEVER_US);
    sample(0);
    pass(STALE_US);
    CHECK_EQUAL(view_now().confirmed_us, NEVER_US);
    CHECK(poller_claim_start(&other));
    CHECK_EQUAL(view_now().confirmed_us, 0);
    end();
}

static void the_time_of_a_sample_only_grows(void)
{
    uint64_t g;

    begin_with(2, 0, 0);
    sample(1000);
    g = load64(&me.header->gate.word);
    CHECK_EQUAL(poller_write_sample(&poller, 0, fake_os.now_us, 0), SHMLIMIT_LOST);
    CHECK_EQUAL(poller_write_sample(&poller, 0, fake_os.now_us - 5000, 0), SHMLIMIT_LOST);
    CHECK_EQUAL(poller_write_failure(&poller, fake_os.now_us - 5000, "late", 4), SHMLIMIT_LOST);
    CHECK(load64(&me.header->gate.word) == g);
    pass(1000);
    sample(0);
    CHECK_EQUAL(gate_t0_us(load64(&me.header->gate.word)), fake_os.now_us);
    end();
}

static void only_the_elected_poller_writes(void)
{
    begin_with(2, 0, 0);
    CHECK_EQUAL(poller_elect(&other), SHMLIMIT_WOULD_BLOCK);
    CHECK_EQUAL(poller_write_sample(&other, 0, fake_os.now_us, 0), SHMLIMIT_LOST);
    CHECK(!load64(&me.header->gate.word));
    poller_resign(&poller);
    CHECK(!poller_is_alive(&me));
    CHECK_EQUAL(poller_elect(&other), SHMLIMIT_OK);
    CHECK_EQUAL(poller_write_sample(&poller, 0, fake_os.now_us, 0), SHMLIMIT_LOST);
    CHECK_EQUAL(poller_write_sample(&other, 0, fake_os.now_us, 0), SHMLIMIT_OK);
    end();
}

static void the_census_counts_as_visible_what_has_settled(void)
{
    struct census census;

    begin(3);
    fill(1);
    pass(SETTLE_US - 1);
    held[1] = scratch_hold(&me);
    poller_census(&poller, &census);
    CHECK_EQUAL(census.held_count, 2);
    CHECK_EQUAL(census.visible_milli, 0);
    pass(1);
    poller_census(&poller, &census);
    CHECK_EQUAL(census.visible_milli, 1000);
    CHECK_EQUAL(census.cool_us, 0);
    release(0);
    poller_census(&poller, &census);
    CHECK_EQUAL(census.visible_milli, 0);
    CHECK_EQUAL(census.cool_us, fake_os.now_us + COOLDOWN_US);
    end();
}

static enum blocked_by blocked_by(void)
{
    struct occupant occupants[4];
    struct snapshot now;

    CHECK_EQUAL(limiter_snapshot(&me, &now, occupants, 4), SHMLIMIT_OK);
    return now.blocked_by;
}

static void one_per_poll_admits_one_waiter_per_sample(void)
{
    struct permit second;

    begin_with(4, 0, FLAG_ONE_PER_POLL);
    fill(4);
    queue();
    CHECK_EQUAL(scratch_enter(&me, 1000, &second), SHMLIMIT_QUEUED);
    sample(4000);
    for (int i = 0; i < 4; i++)
        release(i);
    CHECK(!is_in() && !limiter_holds(&me, &second));
    CHECK_EQUAL(blocked_by(), BLOCKED_FOREIGN);
    pass(1000);
    sample(3000);
    CHECK_EQUAL(is_in() + limiter_holds(&me, &second), 1);
    CHECK_EQUAL(look(), 0);
    pass(1000);
    sample(4000);
    CHECK_EQUAL(is_in() + limiter_holds(&me, &second), 1);
    pass(STALE_US);
    CHECK_EQUAL(blocked_by(), BLOCKED_NOT); /* whoever looks first admits */
    pass(1000);
    sample(3999);
    CHECK(is_in() && limiter_holds(&me, &second));
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_sample_older_than_the_cooldowns_end_frees_nothing),
        PROPERTY(a_sample_at_the_cooldowns_end_frees_a_slot_for_a_waiter),
        PROPERTY(a_sample_that_may_be_of_before_the_start_does_not_confirm_the_end),
        PROPERTY(without_a_confirming_sample_a_slot_is_due_after_a_bounded_wait),
        PROPERTY(foreign_work_lowers_the_cap),
        PROPERTY(a_stale_sample_counts_no_more),
        PROPERTY(closed_on_stale_admits_nobody_without_a_fresh_sample),
        PROPERTY(a_failed_poll_leaves_the_cooldown_alone_to_decide),
        PROPERTY(an_end_is_not_taken_for_granted_before_a_started_poller_has_answered),
        PROPERTY(a_poller_that_is_started_again_and_again_and_never_answers_delays_once),
        PROPERTY(the_time_of_a_sample_only_grows),
        PROPERTY(only_the_elected_poller_writes),
        PROPERTY(the_census_counts_as_visible_what_has_settled),
        PROPERTY(one_per_poll_admits_one_waiter_per_sample),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
