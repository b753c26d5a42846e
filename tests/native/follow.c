/* follow.c - the limit that follows the upstream's own. Built with SHMLIMIT_STEP=step, linked with fake_os.c. */
#include "standstill.h"

static unsigned steps, step_at;
static void (*at_step)(void);

/* Before each access to shared memory: at the one that was chosen, somebody else does something. */
void step(void);
void step(void)
{
    void (*act)(void) = at_step;

    if (!act || steps++ != step_at)
        return;
    at_step = NULL;
    act();
}

static bool told(struct limiter *l, uint32_t limit)
{
    bool changed;

    CHECK_EQUAL(poller_set_limit(l, limit, &changed), SHMLIMIT_OK);
    return changed;
}
static uint32_t limit_now(void) { return view_now().limit_milli / 1000; }
static uint32_t configured_now(void) { return limits_configured(load64(&me.header->settings.limits)); }

static void it_is_the_upstreams_less_the_headroom(void)
{
    begin_with(1, 0, FLAG_USAGE);
    fill(1);
    queue();
    CHECK_EQUAL(limiter_follow(&me, 1 + 2), SHMLIMIT_OK);
    CHECK_EQUAL(limit_now(), 1);
    CHECK(told(&poller, 6));
    CHECK(is_in()); /* at once */
    CHECK_EQUAL(limit_now(), 4);
    CHECK_EQUAL(configured_now(), 4);
    end();
}

static void it_is_one_at_least_unless_the_upstream_has_none(void)
{
    static const uint32_t expected[][3] = {{0, 0, 0},           {0, 3, 0},     {1, 0, 1},           {1, 1, 1},
                                           {3, 3, 1},           {4, 3, 1},     {5, 3, 2},           {LIMIT_MAX, 0, LIMIT_MAX},
                                           {UINT32_MAX, 0, LIMIT_MAX}, {5, LIMIT_MAX, 1}, {UINT32_MAX, 1, LIMIT_MAX - 1}};

    begin_with(7, 0, FLAG_USAGE);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        CHECK_EQUAL(limiter_follow(&me, 1 + expected[i][1]), SHMLIMIT_OK);
        told(&poller, expected[i][0]);
        CHECK_EQUAL(limit_now(), expected[i][2]);
    }
    end();
}

static void lowered_it_takes_nothing_away_and_admits_nobody(void)
{
    begin_with(3, 0, FLAG_USAGE);
    CHECK_EQUAL(limiter_follow(&me, 1), SHMLIMIT_OK);
    fill(3);
    CHECK(told(&poller, 2));
    release(0);
    CHECK(!may_enter());
    release(1);
    sample(0);
    pass(SETTLE_US);
    sample(0);
    CHECK(may_enter());
    release(2);
    end();
}

static void what_429s_have_lowered_stays_until_the_upstream_says_another(void)
{
    bool reduced;

    begin_with(4, 0, FLAG_USAGE);
    CHECK_EQUAL(limiter_follow(&me, 1), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_report_refusal(&me, NULL, fake_os.now_us, &reduced), SHMLIMIT_OK);
    CHECK(reduced);
    CHECK(!told(&poller, 4));
    CHECK_EQUAL(limit_now(), 3);
    CHECK_EQUAL(configured_now(), 4);
    CHECK(told(&poller, 8));
    CHECK_EQUAL(limit_now(), 8);
    CHECK_EQUAL(configured_now(), 8);
    end();
}

static void only_the_elected_poller_sets_it_and_only_where_it_is_followed(void)
{
    begin_with(4, 0, FLAG_USAGE);
    CHECK(!told(&poller, 6));
    CHECK_EQUAL(limiter_follow(&me, 1), SHMLIMIT_OK);
    CHECK(!told(&other, 6));
    CHECK_EQUAL(limit_now(), 4);
    end();
}

static void a_person_sets_it(void)
{
    CHECK_EQUAL(limiter_follow(&me, 0), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_limit(&me, 6), SHMLIMIT_OK);
}
static void the_upstream_is_followed(void) { told(&poller, 2); }

/* How many steps the first takes, with the second between any two of them. */
static unsigned both(void (*first)(void), void (*second)(void))
{
    for (step_at = 0;; step_at++) {
        bool came;

        begin_with(4, 0, FLAG_USAGE);
        CHECK_EQUAL(limiter_follow(&me, 1), SHMLIMIT_OK);
        steps = 0;
        at_step = second;
        first();
        came = !at_step;
        at_step = NULL;
        the_upstream_is_followed();
        if (came)
            CHECK_EQUAL(limit_now(), 6);
        end();
        if (!came)
            return step_at;
    }
}

static void what_a_person_sets_stands_whatever_the_poller_was_about_to_do(void)
{
    CHECK(both(the_upstream_is_followed, a_person_sets_it) > 3);
    CHECK(both(a_person_sets_it, the_upstream_is_followed) > 3);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(it_is_the_upstreams_less_the_headroom),
        PROPERTY(it_is_one_at_least_unless_the_upstream_has_none),
        PROPERTY(lowered_it_takes_nothing_away_and_admits_nobody),
        PROPERTY(what_429s_have_lowered_stays_until_the_upstream_says_another),
        PROPERTY(only_the_elected_poller_sets_it_and_only_where_it_is_followed),
        PROPERTY(what_a_person_sets_stands_whatever_the_poller_was_about_to_do),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
