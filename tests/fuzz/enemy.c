#include "enemy.h"

#define PLANS_MAX 8

static struct plan {
    struct record edit;
    uint64_t due;
} plans[PLANS_MAX];
static unsigned n_plans;
static bool has_edited, has_interfered;
static uint64_t now, next_due;

uint64_t accesses;

void enemy_begin(void)
{
    n_plans = 0;
    has_edited = false;
    now = 0;
    next_due = UINT64_MAX;
}

void enemy_watch(void)
{
    accesses = 0;
    has_interfered = false;
}

bool enemy_has_edited(void) { return has_edited; }
bool enemy_has_interfered(void) { return has_interfered; }
bool enemy_is_at_work(void) { return n_plans; }

static size_t word_in(size_t offset, size_t bytes_there, uint32_t which) { return offset + which % (bytes_there / 8) * 8; }

static size_t place(enum place what, uint32_t which)
{
    switch (what) {
    case PLACE_ADMISSION:
        return offsetof(struct header, admission);
    case PLACE_GATE:
        return word_in(offsetof(struct header, gate), 16, which);
    case PLACE_LIMITS:
        return offsetof(struct header, settings);
    case PLACE_SETTINGS:
        return word_in(offsetof(struct header, settings), sizeof(struct settings), which);
    case PLACE_QUEUE:
        return word_in(offsetof(struct header, queue), sizeof(struct queue), which);
    case PLACE_POLLER:
        return word_in(offsetof(struct header, poller), sizeof(struct poller), which);
    case PLACE_ENVELOPE:
        return word_in(0, sizeof(struct envelope), which);
    case PLACE_CONFIG:
        return word_in(offsetof(struct header, config_length), 64, which);
    case PLACE_PARTICIPANT:
        return PARTICIPANTS_OFFSET + which % PARTICIPANTS * sizeof(struct participant);
    case PLACE_PARTICIPANT_RECORD:
        return word_in(PARTICIPANTS_OFFSET, 8 * sizeof(struct participant), which);
    case PLACE_SLOT:
        return SLOTS_OFFSET + which % SLOTS * sizeof(struct slot);
    case PLACE_SLOT_RECORD:
        return word_in(SLOTS_OFFSET, SLOTS * sizeof(struct slot), which);
    case PLACE_LABEL:
        return word_in(LABELS_OFFSET(SLOTS), SLOTS * sizeof(struct label), which);
    default:
        return word_in(0, SEGMENT_SIZE(SLOTS), which);
    }
}

static void apply(const struct record *edit)
{
    shared64 *at = (shared64 *)(void *)(bytes + place(edit->what % PLACES, edit->which));

    has_edited = has_interfered = true;
    if (edit->verb == VERB_SET)
        atomic_store(at, edit->value);
    else if (edit->verb == VERB_FLIP)
        atomic_fetch_xor(at, edit->value);
    else
        atomic_fetch_add(at, edit->value);
}

static void find_next(void)
{
    next_due = UINT64_MAX;
    for (unsigned i = 0; i < n_plans; i++)
        if (plans[i].due < next_due)
            next_due = plans[i].due;
}

void enemy_edit(const struct record *edit)
{
    if (!edit->delay && !edit->every)
        apply(edit);
    else if (n_plans < PLANS_MAX)
        plans[n_plans++] = (struct plan){*edit, now + (edit->delay ? edit->delay : edit->every)};
    find_next();
}

static void carry_out(void)
{
    for (unsigned i = 0; i < n_plans; i++) {
        if (plans[i].due > now)
            continue;
        apply(&plans[i].edit);
        if (plans[i].edit.every)
            plans[i].due = now + plans[i].edit.every;
        else
            plans[i--] = plans[--n_plans];
    }
    find_next();
}

/* Before each access of the core to shared memory. Nothing that it calls comes back here. */
void step(void)
{
    CHECK(++accesses <= ACCESSES_MAX);
    if (++now >= next_due)
        carry_out();
}
