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

static void the_poller_hears_of_what_is_taken_back(void)
{
    uint32_t bell;

    begin_watched();
    sample(1000);
    queue();
    pass(TIMEOUT_US);
    bell = load32(&me.header->poller.bell);
    CHECK_EQUAL(sweep(&other), 1);
    CHECK_EQUAL(load32(&me.header->poller.bell), bell + 1);
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
    end();
}

static void a_waiter_that_was_stopped_until_its_permit_was_overdue_queues_again_in_its_turn(void)
{
    struct request request = {.weight_milli = 500, .priority = -3, .since_ns = 77, .label = "turn", .label_length = 4};
    uint32_t first;

    begin_watched();
    CHECK_EQUAL(limiter_enter(&other, &request, &waiting), SHMLIMIT_QUEUED);
    first = waiting.slot;
    release(0);
    pass(COOLDOWN_US);
    CHECK_EQUAL(look(), 1);
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&me), 1);
    pass(COOLDOWN_US);
    hold_again(&waiting); /* by now its slot is another's */
    CHECK_EQUAL(limiter_wait(&other, &waiting, UINT64_MAX), SHMLIMIT_INTERRUPTED);
    CHECK(waiting.slot != first);
    CHECK_EQUAL(slot_state(load64(&me.slots[waiting.slot].word)), SLOT_WAITING);
    CHECK_EQUAL(load32(&me.slots[waiting.slot].weight_milli), 500);
    CHECK_EQUAL((int32_t)load32(&me.slots[waiting.slot].priority), -3);
    CHECK_EQUAL(load64(&me.slots[waiting.slot].since_ns), 77);
    CHECK_EQUAL((uint32_t)load64(&me.labels[waiting.slot].text[0]), (uint32_t)('t' | 'u' << 8 | 'r' << 16 | 'n' << 24));
    CHECK_EQUAL(limiter_wait(&other, &waiting, fake_os.now_us), SHMLIMIT_TIMED_OUT);
    end();
}

static void such_a_waiter_is_admitted_at_once_where_there_is_room_again(void)
{
    begin_watched();
    queue();
    release(0);
    pass(COOLDOWN_US);
    CHECK_EQUAL(look(), 1);
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&me), 1);
    pass(COOLDOWN_US);
    CHECK_EQUAL(limiter_wait(&other, &waiting, UINT64_MAX), SHMLIMIT_OK);
    CHECK(is_in());
    CHECK_EQUAL(scratch_used_milli(&me), 1000);
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

static void a_late_release_does_not_lengthen_the_next_ones_cooldown(void)
{
    struct permit late;

    begin_watched();
    late = held[0];
    pass(TIMEOUT_US);
    CHECK_EQUAL(sweep(&other), 1);
    pass(COOLDOWN_US);
    hold_again(&late);
    CHECK(!limiter_release(&me, &late));
    CHECK_EQUAL(limiter_set_cooldown(&me, COOLDOWN_US / 2), SHMLIMIT_OK);
    release(0);
    pass(COOLDOWN_US / 2);
    CHECK(may_enter());
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
        PROPERTY(the_poller_hears_of_what_is_taken_back),
        PROPERTY(an_admitted_waiter_is_watched_too),
        PROPERTY(a_waiter_that_was_stopped_until_its_permit_was_overdue_queues_again_in_its_turn),
        PROPERTY(such_a_waiter_is_admitted_at_once_where_there_is_room_again),
        PROPERTY(a_late_release_changes_nothing),
        PROPERTY(a_late_release_does_not_lengthen_the_next_ones_cooldown),
        PROPERTY(without_a_time_out_nothing_is_taken_back),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
