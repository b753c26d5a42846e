/* feed.c - samples that come with answers to work, from any process. Linked with fake_os.c. */
#include "standstill.h"

static void begin_unpolled(uint32_t limit, uint32_t flags)
{
    begin_with(limit, COOLDOWN_US, flags);
    poller_resign(&poller);
}

static enum shmlimit_status told(struct limiter *l, uint32_t least_milli, uint32_t most_milli)
{
    return feed_write_sample(l, least_milli, most_milli, fake_os.now_us, most_milli);
}

static uint32_t known(void) { return gate_count_milli(load64(&me.header->gate.word)); }

static void a_reading_is_believed_as_far_as_it_goes(void)
{
    begin_unpolled(8, 0);
    CHECK_EQUAL(told(&me, 0, 4000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 4000);
    pass(1000);
    CHECK_EQUAL(told(&other, 0, 2000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 2000);
    pass(1000);
    CHECK_EQUAL(told(&me, 1000, 5000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 2000);
    pass(1000);
    CHECK_EQUAL(told(&me, 3000, 5000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 3000);
    CHECK_EQUAL(view_now().cap_milli, 5000);
    pass(STALE_US + 1000);
    CHECK_EQUAL(view_now().cap_milli, 8000);
    CHECK_EQUAL(told(&me, 0, 6000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 6000);
    end();
}

static void an_older_answer_changes_nothing(void)
{
    begin_unpolled(8, 0);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_OK);
    CHECK_EQUAL(told(&other, 5000, 5000), SHMLIMIT_LOST);
    CHECK_EQUAL(feed_write_sample(&other, 5000, 5000, fake_os.now_us - 1000, 5000), SHMLIMIT_LOST);
    CHECK_EQUAL(known(), 1000);
    CHECK_EQUAL(load64(&me.header->poller.count_milli), 1000);
    end();
}

static void there_is_always_room_for_the_one_whose_answer_is_the_next(void)
{
    begin_unpolled(2, 0);
    CHECK_EQUAL(told(&me, 9000, 9000), SHMLIMIT_OK);
    CHECK_EQUAL(view_now().cap_milli, 1000);
    CHECK_EQUAL(limiter_set_limit(&me, 1), SHMLIMIT_OK);
    CHECK_EQUAL(view_now().cap_milli, 1000);
    CHECK_EQUAL(limiter_set_limit(&me, 0), SHMLIMIT_OK);
    CHECK_EQUAL(view_now().cap_milli, 0);
    end();
}

static void a_slot_needs_no_confirmation(void)
{
    begin_unpolled(1, 0);
    fill(1);
    CHECK_EQUAL(told(&me, 0, 0), SHMLIMIT_OK);
    queue();
    release(0);
    pass(COOLDOWN_US - 1);
    CHECK_EQUAL(look(), 0);
    pass(1);
    CHECK_EQUAL(look(), 1);
    CHECK(is_in());
    end();
}

static void less_that_is_foreign_admits_who_waits(void)
{
    begin_unpolled(2, 0);
    fill(1);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_OK);
    queue();
    CHECK_EQUAL(look(), 0);
    pass(1000);
    CHECK_EQUAL(told(&me, 0, 0), SHMLIMIT_OK);
    CHECK(is_in());
    end();
}

static void a_429_says_no_more_than_its_pause_and_the_lowered_limit(void)
{
    bool reduced;

    begin_unpolled(4, 0);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK(reduced);
    CHECK_EQUAL(view_now().cap_milli, 2000);
    end();
}

static void it_is_silent_where_somebody_polls_or_each_sample_admits_one(void)
{
    begin_with(4, COOLDOWN_US, 0);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_LOST);
    sample(2000);
    poller_resign(&poller);
    pass(1000);
    CHECK_EQUAL(told(&me, 1000, 4000), SHMLIMIT_OK);
    CHECK_EQUAL(known(), 4000);
    end();
    begin_unpolled(4, FLAG_USAGE);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_LOST);
    end();
    begin_unpolled(4, FLAG_ONE_PER_POLL);
    CHECK_EQUAL(told(&me, 1000, 1000), SHMLIMIT_LOST);
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_reading_is_believed_as_far_as_it_goes),
        PROPERTY(an_older_answer_changes_nothing),
        PROPERTY(there_is_always_room_for_the_one_whose_answer_is_the_next),
        PROPERTY(a_slot_needs_no_confirmation),
        PROPERTY(less_that_is_foreign_admits_who_waits),
        PROPERTY(a_429_says_no_more_than_its_pause_and_the_lowered_limit),
        PROPERTY(it_is_silent_where_somebody_polls_or_each_sample_admits_one),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
