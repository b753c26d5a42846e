/* refusal.c - 429s, pauses and the end of the segment: nobody is admitted, nobody loses anything. Linked with fake_os.c. */
#include "standstill.h"

static void a_refusal_counts_as_full_until_a_later_sample(void)
{
    uint64_t refused_us;
    bool reduced;

    begin_with(3, 0, FLAG_USAGE);
    fill(1);
    refused_us = fake_os.now_us;
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK(reduced);
    CHECK_EQUAL(view_now().limit_milli, 2000);
    CHECK_EQUAL(view_now().foreign_milli, 2000);
    CHECK(!may_enter());
    pass(SETTLE_US - 1000);
    sample(0);
    CHECK_EQUAL(view_now().foreign_milli, 2000);
    CHECK(!may_enter());
    pass(1000);
    CHECK_EQUAL(fake_os.now_us, refused_us + SETTLE_US);
    sample(0);
    CHECK_EQUAL(view_now().foreign_milli, 0);
    CHECK(may_enter());
    end();
}

static void a_refusal_is_forgotten_when_stale(void)
{
    bool reduced;

    begin_with(3, 0, FLAG_USAGE);
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK(!may_enter());
    pass(STALE_US - 1);
    CHECK(!may_enter());
    pass(1);
    CHECK(may_enter());
    end();
}

static void where_nobody_samples_a_refusal_says_nothing_of_foreign_work(void)
{
    bool reduced;

    begin_with(3, 0, 0);
    fill(1);
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK_EQUAL(view_now().foreign_milli, 0);
    CHECK(may_enter() && scratch_used_milli(&me) == 2000);
    end();
}

static void a_persons_reset_forgets_the_refusal(void)
{
    bool reduced;

    begin_with(3, 0, FLAG_USAGE);
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK(!may_enter());
    CHECK_EQUAL(limiter_reset(&other), SHMLIMIT_OK);
    CHECK_EQUAL(view_now().cap_milli, 3000);
    CHECK(may_enter());
    end();
}

static void the_refused_permit_is_not_counted_as_running(void)
{
    bool reduced;

    begin_with(3, 0, FLAG_USAGE);
    fill(2);
    CHECK_EQUAL(limiter_report_refusal(&me, &held[1], fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK_EQUAL(gate_count_milli(load64(&me.header->gate.refusal)), 2000);
    end();
}

static void one_overshoot_reduces_once_and_never_below_one(void)
{
    bool reduced;

    begin_with(4, 0, 0);
    fill(3);
    for (int i = 0; i < 3; i++) {
        pass(1000);
        CHECK_EQUAL(limiter_report_refusal(&me, &held[i], 0, &reduced), SHMLIMIT_OK);
        CHECK_EQUAL(reduced, i == 0);
    }
    for (int i = 0; i < 5; i++) {
        pass(1000);
        CHECK_EQUAL(limiter_report_refusal(&other, NULL, 0, &reduced), SHMLIMIT_OK);
        CHECK_EQUAL(reduced, i < 2);
    }
    CHECK_EQUAL(limits_limit(load64(&me.header->settings.limits)), 1);
    CHECK_EQUAL(limits_configured(load64(&me.header->settings.limits)), 4);
    CHECK_EQUAL(limiter_reset(&other), SHMLIMIT_OK);
    CHECK_EQUAL(limits_limit(load64(&me.header->settings.limits)), 4);
    CHECK_EQUAL(limits_reduced_us(load64(&me.header->settings.limits)), 0);
    end();
}

static void a_pause_admits_nobody_until_its_end(void)
{
    struct queue_outlook outlook;

    begin_with(2, 0, 0);
    fill(1);
    CHECK_EQUAL(limiter_pause(&other, fake_os.now_us + 5000, false), SHMLIMIT_OK);
    CHECK(limiter_holds(&me, &held[0]));
    CHECK(!may_enter());
    queue();
    CHECK_EQUAL(queue_grant(&me, false, &outlook), SHMLIMIT_OK);
    CHECK_EQUAL(outlook.changes_at_us, fake_os.now_us + 5000);
    pass(4999);
    CHECK_EQUAL(look(), 0);
    pass(1);
    CHECK_EQUAL(look(), 1);
    CHECK(is_in());
    end();
}

static void a_shorter_pause_does_not_end_a_longer_one_unless_told_to(void)
{
    begin_with(2, 0, 0);
    CHECK_EQUAL(limiter_pause(&me, fake_os.now_us + 5000, true), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_pause(&me, fake_os.now_us + 10, true), SHMLIMIT_OK);
    pass(10);
    CHECK(!may_enter());
    CHECK_EQUAL(limiter_pause(&me, fake_os.now_us + 10, false), SHMLIMIT_OK);
    pass(10);
    CHECK(may_enter());
    end();
}

static void a_pause_is_ended_by_its_own_end_and_no_other(void)
{
    uint64_t until_us;

    begin_with(2, 0, 0);
    until_us = fake_os.now_us + 5000;
    CHECK_EQUAL(limiter_pause(&me, until_us, true), SHMLIMIT_OK);
    queue();
    CHECK_EQUAL(limiter_pause(&other, until_us + 1, false), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_end_pause(&me, until_us), SHMLIMIT_OK);
    CHECK(!is_in());
    CHECK_EQUAL(limiter_end_pause(&me, until_us + 1), SHMLIMIT_OK);
    CHECK(is_in());
    end();
}

static void resuming_admits_who_waits(void)
{
    begin_with(2, 0, 0);
    CHECK_EQUAL(limiter_pause(&me, UINT64_MAX, false), SHMLIMIT_OK);
    queue();
    pass(UINT64_C(100000000000));
    CHECK_EQUAL(look(), 0);
    CHECK_EQUAL(limiter_reset(&me), SHMLIMIT_OK);
    CHECK(is_in());
    end();
}

static void a_retired_segment_admits_nobody_and_still_takes_back(void)
{
    begin_with(2, 0, 0);
    fill(1);
    limiter_retire(&other);
    CHECK_EQUAL(scratch_try(&other, 1000, &newcomer), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(scratch_enter(&other, 1000, &newcomer), SHMLIMIT_ORPHANED);
    release(0);
    scratch_check_empty(&me);
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_refusal_counts_as_full_until_a_later_sample),
        PROPERTY(a_refusal_is_forgotten_when_stale),
        PROPERTY(where_nobody_samples_a_refusal_says_nothing_of_foreign_work),
        PROPERTY(a_persons_reset_forgets_the_refusal),
        PROPERTY(the_refused_permit_is_not_counted_as_running),
        PROPERTY(one_overshoot_reduces_once_and_never_below_one),
        PROPERTY(a_pause_admits_nobody_until_its_end),
        PROPERTY(a_shorter_pause_does_not_end_a_longer_one_unless_told_to),
        PROPERTY(a_pause_is_ended_by_its_own_end_and_no_other),
        PROPERTY(resuming_admits_who_waits),
        PROPERTY(a_retired_segment_admits_nobody_and_still_takes_back),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
