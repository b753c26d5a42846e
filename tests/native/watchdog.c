/* watchdog.c - a permit that nobody touches is taken back, once, and its late holder changes nothing. Linked with fake_os.c. */
#include "reaper.h"
#include "standstill.h"

static void begin_watched(void)
{
    begin(1);
    CHECK_EQUAL(limiter_set_slot_timeout(&me, TIMEOUT_US), SHMLIMIT_OK);
    fill(1);
}

static uint32_t sweep(struct limiter *l)
{
    uint32_t taken_back = 0;

    CHECK_EQUAL(reaper_sweep(l, REAP_OWNERS, &taken_back), SHMLIMIT_OK);
    return taken_back;
}

static void the_watchdog_takes_back_at_its_time_and_never_before(void)
{
    begin_watched();
    pass(TIMEOUT_US - 1);
    CHECK_EQUAL(sweep(&other), 0);
    CHECK(limiter_holds(&me, &held[0]));
    pass(1);
    CHECK_EQUAL(sweep(&other), 1);
    CHECK(!limiter_holds(&me, &held[0]));
    CHECK_EQUAL(load64(&me.header->queue.watchdog), 1);
    CHECK(!may_enter());
    pass(COOLDOWN_US);
    CHECK(may_enter());
    end();
}

static void a_touch_restarts_the_watchdogs_clock(void)
{
    begin_watched();
    pass(TIMEOUT_US - 1);
    CHECK(limiter_touch(&me, &held[0]));
    pass(TIMEOUT_US - 1);
    CHECK_EQUAL(sweep(&other), 0);
    pass(1);
    CHECK_EQUAL(sweep(&other), 1);
    CHECK(!limiter_touch(&me, &held[0]));
    end();
}

static void the_watchdog_counts_what_it_takes_from_its_own_process_too(void)
{
    begin_watched();
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&me), 1);
    CHECK_EQUAL(load64(&me.header->queue.watchdog), 1);
    end();
}

static void an_admitted_waiter_is_watched_too(void)
{
    begin_watched();
    queue();
    release(0);
    pass(COOLDOWN_US);
    CHECK_EQUAL(look(), 1);
    pass(TIMEOUT_US - 1);
    CHECK_EQUAL(sweep(&me), 0);
    pass(1);
    CHECK_EQUAL(sweep(&me), 1);
    CHECK(!is_in());
    CHECK_EQUAL(limiter_wait(&other, &waiting, UINT64_MAX), SHMLIMIT_LOST);
    end();
}

static void a_late_release_changes_nothing(void)
{
    struct permit late;
    uint64_t word, a;

    begin_watched();
    late = held[0];
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&other), 1);
    pass(COOLDOWN_US - 1);
    CHECK(!limiter_release(&me, &late));
    pass(1);
    hold_again(&late);
    word = load64(&me.slots[late.slot].word);
    a = load64(&me.header->admission.word);
    CHECK(!limiter_release(&me, &late));
    CHECK(!limiter_touch(&me, &late));
    CHECK(load64(&me.slots[late.slot].word) == word && load64(&me.header->admission.word) == a);
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&other), 1);
    end();
}

static void without_a_time_out_nothing_is_taken_back(void)
{
    begin(1);
    fill(1);
    pass(UINT64_C(1000) * TIMEOUT_US);
    CHECK_EQUAL(sweep(&other), 0);
    CHECK(limiter_release(&me, &held[0]));
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(the_watchdog_takes_back_at_its_time_and_never_before),
        PROPERTY(a_touch_restarts_the_watchdogs_clock),
        PROPERTY(the_watchdog_counts_what_it_takes_from_its_own_process_too),
        PROPERTY(an_admitted_waiter_is_watched_too),
        PROPERTY(a_late_release_changes_nothing),
        PROPERTY(without_a_time_out_nothing_is_taken_back),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
