/* queue_order.c - who is next: priority, since, arrival; nobody overtakes; what changes of the limit do. Linked with fake_os.c. */
#include "check.h"
#include "fake_os.h"
#include "park.h"
#include "queue.h"
#include "scratch.h"

#define PEOPLE 6

static struct limiter people[PEOPLE];
static struct permit permits[PEOPLE], held[4];

static void begin_with(uint32_t slots, uint32_t limit)
{
    struct segment_settings settings = SCRATCH_SETTINGS(slots, limit);

    scratch_segment(&settings);
    fake_os = (struct fake_os){.now_us = 1000000000};
    for (int i = 0; i < PEOPLE; i++) {
        permits[i] = (struct permit){0};
        scratch_attach(&people[i]);
    }
}

static void begin(uint32_t limit) { begin_with(8, limit); }

static void end(void)
{
    for (int i = 0; i < PEOPLE; i++) {
        scratch_audit(&people[i]);
        CHECK_EQUAL(load64(&people[i].header->queue.self_heals), 0);
        limiter_detach(&people[i]);
    }
}

static void fill(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        held[i] = scratch_hold(&people[0]);
}

static enum shmlimit_status enter(int i, uint32_t weight_milli, int32_t priority, int64_t since_ns)
{
    return limiter_enter(&people[i], &(struct request){.weight_milli = weight_milli, .priority = priority, .since_ns = since_ns},
                         &permits[i]);
}

static void queue(int i, uint32_t weight_milli, int32_t priority, int64_t since_ns)
{
    CHECK_EQUAL(enter(i, weight_milli, priority, since_ns), SHMLIMIT_QUEUED);
}

static bool is_in(int i) { return limiter_holds(&people[i], &permits[i]); }
static void leave_all(void)
{
    for (int i = 1; i < PEOPLE; i++) {
        if (is_in(i))
            limiter_release(&people[i], &permits[i]);
        else if (permits[i].word)
            limiter_leave(&people[i], &permits[i]);
        permits[i].word = 0;
    }
}

/* Each release lets in exactly the next of `order`. */
static void expect_order(const int *order, int n)
{
    struct permit out = held[0];
    int by = 0;

    for (int i = 0; i < n; i++) {
        CHECK(limiter_release(&people[by], &out));
        for (int j = 0; j < n; j++)
            CHECK_EQUAL(is_in(order[j]), j == i);
        by = order[i];
        out = permits[by];
    }
    CHECK(limiter_release(&people[by], &out));
    scratch_check_empty(&people[0]);
}

static void a_higher_priority_goes_first(void)
{
    begin(1);
    fill(1);
    queue(1, 1000, 0, 1), queue(2, 1000, INT32_MAX, 9), queue(3, 1000, -1, 0), queue(4, 1000, INT32_MIN, 0), queue(5, 1000, 7, 5);
    expect_order((const int[]){2, 5, 1, 3, 4}, 5);
    end();
}

static void an_older_since_goes_first_among_equals(void)
{
    begin(1);
    fill(1);
    queue(1, 1000, 0, 50), queue(2, 1000, 0, INT64_MIN), queue(3, 1000, 0, INT64_MAX), queue(4, 1000, 0, -1), queue(5, 1000, 0, 49);
    expect_order((const int[]){2, 4, 5, 1, 3}, 5);
    end();
}

static void arrival_decides_the_rest(void)
{
    begin(1);
    fill(1);
    queue(4, 1000, 0, 5), queue(2, 1000, 0, 5), queue(5, 1000, 0, 5), queue(1, 1000, 0, 5), queue(3, 1000, 0, 5);
    expect_order((const int[]){4, 2, 5, 1, 3}, 5);
    end();
}

static void the_rank_counts_who_is_before(void)
{
    begin(1);
    fill(1);
    queue(1, 1000, 0, 5), queue(2, 1000, 1, 5), queue(3, 1000, 0, 4), queue(4, 1000, 0, 5);
    CHECK_EQUAL(queue_rank(&people[0], permits[2].slot), 0);
    CHECK_EQUAL(queue_rank(&people[0], permits[3].slot), 1);
    CHECK_EQUAL(queue_rank(&people[0], permits[1].slot), 2);
    CHECK_EQUAL(queue_rank(&people[0], permits[4].slot), 3);
    leave_all();
    end();
}

static void a_light_waiter_does_not_overtake_a_heavy_head(void)
{
    struct permit newcomer;

    begin(2);
    fill(2);
    queue(1, 2000, 0, 1), queue(2, 500, 0, 2);
    CHECK(limiter_release(&people[0], &held[0]));
    CHECK(!is_in(1) && !is_in(2));
    CHECK_EQUAL(scratch_try(&people[3], 500, &newcomer), SHMLIMIT_WOULD_BLOCK);
    CHECK(!is_in(2));
    CHECK(limiter_release(&people[0], &held[1]));
    CHECK(is_in(1) && !is_in(2));
    CHECK(limiter_release(&people[1], &permits[1]));
    CHECK(is_in(2));
    leave_all();
    end();
}

static void a_newcomer_never_overtakes_a_waiter(void)
{
    struct permit newcomer;

    begin(1);
    fill(1);
    queue(1, 1000, 0, 1);
    CHECK_EQUAL(scratch_try(&people[2], 1000, &newcomer), SHMLIMIT_WOULD_BLOCK);
    CHECK(limiter_release(&people[0], &held[0]));
    CHECK(is_in(1));
    CHECK_EQUAL(scratch_try(&people[2], 1000, &newcomer), SHMLIMIT_WOULD_BLOCK);
    leave_all();
    CHECK_EQUAL(scratch_try(&people[2], 1000, &newcomer), SHMLIMIT_OK);
    CHECK(limiter_release(&people[2], &newcomer));
    end();
}

static void a_leaving_head_lets_the_next_one_in(void)
{
    begin(2);
    fill(1);
    queue(1, 2000, 0, 1), queue(2, 500, 0, 2), queue(3, 500, 0, 3);
    CHECK_EQUAL(limiter_leave(&people[1], &permits[1]), SHMLIMIT_OK);
    CHECK(is_in(2) && is_in(3));
    permits[1].word = 0;
    leave_all();
    CHECK(limiter_release(&people[0], &held[0]));
    scratch_check_empty(&people[0]);
    end();
}

static void a_waiter_above_a_lowered_limit_blocks_nobody_and_leaves(void)
{
    begin(3);
    fill(3);
    queue(1, 3000, 9, 1), queue(2, 1000, 0, 2);
    CHECK_EQUAL(limiter_set_limit(&people[0], 2), SHMLIMIT_OK);
    CHECK(limiter_release(&people[0], &held[0]));
    CHECK(!is_in(2));
    CHECK(limiter_release(&people[0], &held[1]));
    CHECK(is_in(2) && !is_in(1));
    CHECK_EQUAL(limiter_wait(&people[1], &permits[1], fake_os.now_us + 1000000), SHMLIMIT_NEVER_ADMISSIBLE);
    CHECK_EQUAL(scratch_count(&people[0], SLOT_WAITING), 0);
    permits[1].word = 0;
    leave_all();
    CHECK(limiter_release(&people[0], &held[2]));
    scratch_check_empty(&people[0]);
    scratch_check_limit(&people[3], 2);
    end();
}

static void a_weight_above_the_limit_is_refused_at_once(void)
{
    struct permit permit;

    begin(2);
    CHECK_EQUAL(scratch_try(&people[0], 2001, &permit), SHMLIMIT_NEVER_ADMISSIBLE);
    CHECK_EQUAL(scratch_enter(&people[0], 2001, &permit), SHMLIMIT_NEVER_ADMISSIBLE);
    scratch_check_empty(&people[0]);
    CHECK_EQUAL(scratch_try(&people[0], 2000, &permit), SHMLIMIT_OK);
    CHECK(limiter_release(&people[0], &permit));
    end();
}

static void a_limit_of_zero_admits_nobody_and_keeps_waiters(void)
{
    struct permit permit;

    begin(0);
    queue(1, 1000, 0, 1), queue(2, 5000, 0, 2);
    CHECK_EQUAL(scratch_try(&people[3], 1000, &permit), SHMLIMIT_WOULD_BLOCK);
    CHECK_EQUAL(scratch_try(&people[3], 1, &permit), SHMLIMIT_WOULD_BLOCK);
    CHECK_EQUAL(limiter_wait(&people[1], &permits[1], UINT64_MAX), SHMLIMIT_INTERRUPTED);
    CHECK_EQUAL(scratch_count(&people[0], SLOT_WAITING), 2);
    CHECK_EQUAL(limiter_set_limit(&people[0], 6), SHMLIMIT_OK);
    CHECK(is_in(1) && is_in(2));
    leave_all();
    end();
}

static void raising_the_limit_admits_as_many_as_fit(void)
{
    begin(1);
    fill(1);
    for (int i = 1; i < 5; i++)
        queue(i, 1000, 0, i);
    CHECK_EQUAL(limiter_set_limit(&people[5], 3), SHMLIMIT_OK);
    CHECK(is_in(1) && is_in(2) && !is_in(3) && !is_in(4));
    CHECK_EQUAL(scratch_used_milli(&people[0]), 3000);
    permits[5].word = 0;
    leave_all();
    end();
}

static void lowering_the_limit_evicts_nobody_and_admits_nobody_until_it_fits(void)
{
    begin(3);
    fill(3);
    queue(1, 1000, 0, 1);
    CHECK_EQUAL(limiter_set_limit(&people[0], 1), SHMLIMIT_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(limiter_holds(&people[0], &held[i]) && !is_in(1));
        CHECK_EQUAL(scratch_used_milli(&people[0]), 3000 - 1000 * i);
        CHECK(limiter_release(&people[0], &held[i]));
    }
    CHECK(is_in(1));
    leave_all();
    scratch_check_limit(&people[0], 1);
    end();
}

static void a_time_out_leaves_no_trace(void)
{
    begin(1);
    fill(1);
    queue(1, 1000, 0, 1);
    CHECK_EQUAL(limiter_wait(&people[1], &permits[1], fake_os.now_us), SHMLIMIT_TIMED_OUT);
    CHECK_EQUAL(load64(&people[1].participants[people[1].index].timeouts), 1);
    permits[1].word = 0;
    CHECK(limiter_release(&people[0], &held[0]));
    scratch_check_empty(&people[0]);
    scratch_check_limit(&people[2], 1);
    end();
}

/* ---- The dead in the queue. */
static void a_drowsy_waiter_is_woken_when_it_becomes_the_head(void)
{
    enum { CROWD = 12 };
    struct permit crowd[CROWD];
    struct slot *last;
    uint32_t wake;

    begin_with(16, 1);
    fill(1);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQUAL(scratch_enter(&people[1], 1000, &crowd[i]), SHMLIMIT_QUEUED);
    last = &people[1].slots[crowd[CROWD - 1].slot];
    CHECK_EQUAL(park_look(&people[1], &crowd[CROWD - 1], false), SHMLIMIT_QUEUED); /* its first tick: it drowses */
    wake = load32(&last->wake);
    for (int i = 0; i < CROWD - 1; i++) {
        CHECK_EQUAL(load32(&last->wake), wake);
        CHECK_EQUAL(limiter_leave(&people[1], &crowd[i]), SHMLIMIT_OK);
    }
    CHECK_EQUAL(load32(&last->wake), wake + 1);
    CHECK_EQUAL(limiter_leave(&people[1], &crowd[CROWD - 1]), SHMLIMIT_OK);
    CHECK(limiter_release(&people[0], &held[0]));
    end();
}

static void kill_(int i)
{
    fake_os_drop(people[i].fd);
    permits[i].word = 0;
}

static void a_dead_head_is_not_admitted(void)
{
    begin(1);
    fill(1);
    queue(1, 1000, 9, 1), queue(2, 1000, 0, 2);
    kill_(1);
    CHECK(limiter_release(&people[0], &held[0]));
    CHECK(is_in(2));
    CHECK_EQUAL(scratch_count(&people[0], SLOT_HELD), 1);
    leave_all();
    scratch_check_empty(&people[0]);
    end();
}

static void a_dead_head_that_does_not_fit_keeps_nobody_out(void)
{
    struct permit newcomer;

    begin(2);
    fill(1);
    queue(1, 2000, 0, 1);
    kill_(1);
    CHECK_EQUAL(scratch_try(&people[2], 1000, &newcomer), SHMLIMIT_OK);
    CHECK(limiter_release(&people[2], &newcomer));
    CHECK(limiter_release(&people[0], &held[0]));
    scratch_check_empty(&people[0]);
    end();
}

static void a_dead_waiter_above_the_limit_keeps_nobody_out(void)
{
    struct permit newcomer;

    begin(2);
    fill(1);
    queue(1, 2000, 0, 1);
    kill_(1);
    people[0].header->settings.limits = limits_word(1, 1, 0); /* set by somebody who died before the grant */
    CHECK(limiter_release(&people[0], &held[0]));
    CHECK_EQUAL(scratch_try(&people[2], 1000, &newcomer), SHMLIMIT_OK);
    CHECK(limiter_release(&people[2], &newcomer));
    scratch_check_empty(&people[0]);
    end();
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_higher_priority_goes_first),
        PROPERTY(an_older_since_goes_first_among_equals),
        PROPERTY(arrival_decides_the_rest),
        PROPERTY(the_rank_counts_who_is_before),
        PROPERTY(a_light_waiter_does_not_overtake_a_heavy_head),
        PROPERTY(a_newcomer_never_overtakes_a_waiter),
        PROPERTY(a_leaving_head_lets_the_next_one_in),
        PROPERTY(a_waiter_above_a_lowered_limit_blocks_nobody_and_leaves),
        PROPERTY(a_weight_above_the_limit_is_refused_at_once),
        PROPERTY(a_limit_of_zero_admits_nobody_and_keeps_waiters),
        PROPERTY(raising_the_limit_admits_as_many_as_fit),
        PROPERTY(lowering_the_limit_evicts_nobody_and_admits_nobody_until_it_fits),
        PROPERTY(a_time_out_leaves_no_trace),
        PROPERTY(a_drowsy_waiter_is_woken_when_it_becomes_the_head),
        PROPERTY(a_dead_head_is_not_admitted),
        PROPERTY(a_dead_head_that_does_not_fit_keeps_nobody_out),
        PROPERTY(a_dead_waiter_above_the_limit_keeps_nobody_out),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
