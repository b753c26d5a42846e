#define _GNU_SOURCE
#include "world.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define COOLDOWN_US 350000
#define TIMEOUT_US 300000000

struct holder holders[ACTORS];
char *bytes;

static struct image {
    char *bytes;
    struct holder holders[ACTORS];
    struct fake_os os;
} images[BEGINNINGS];

static void keep(enum beginning beginning)
{
    struct image *image = &images[beginning];

    image->bytes = malloc(SEGMENT_SIZE(SLOTS));
    CHECK(image->bytes);
    memcpy(image->bytes, bytes, SEGMENT_SIZE(SLOTS));
    memcpy(image->holders, holders, sizeof holders);
    image->os = fake_os;
}

static void take(enum actor actor, int i, uint32_t weight_milli)
{
    struct holder *holder = &holders[actor];
    struct request request = {.weight_milli = weight_milli, .since_ns = 1, .label = "somebody", .label_length = 8};
    enum shmlimit_status status = limiter_enter(&holder->l, &request, &holder->permits[i]);

    CHECK(status == SHMLIMIT_OK || status == SHMLIMIT_QUEUED);
    holder->phases[i] = status == SHMLIMIT_OK ? PERMIT_HELD : PERMIT_QUEUED;
}

/* Limit 3: a holder that is dead, one that lives, one slot that cools, two waiters of whom one is dead. */
static void make_busy(void)
{
    struct fault fault;

    CHECK_EQUAL(limiter_set_cooldown(&holders[ACTOR_ME].l, COOLDOWN_US), SHMLIMIT_OK);
    CHECK_EQUAL(limiter_set_slot_timeout(&holders[ACTOR_ME].l, TIMEOUT_US), SHMLIMIT_OK);
    CHECK_EQUAL(world_attach(&holders[ACTOR_GUEST], false, &fault), SHMLIMIT_OK);
    take(ACTOR_GUEST, 0, 500);
    take(ACTOR_ME, 0, 1000);
    take(ACTOR_OTHER, 0, 1500);
    take(ACTOR_GUEST, 1, 1000);
    take(ACTOR_OTHER, 1, 2000);
    CHECK(limiter_release(&holders[ACTOR_OTHER].l, &holders[ACTOR_OTHER].permits[0]));
    holders[ACTOR_OTHER].phases[0] = PERMIT_NONE;
    world_kill(&holders[ACTOR_GUEST]);
    fake_os.now_us += 1000;
}

static void make_gated(void)
{
    struct limiter *poller = &holders[ACTOR_OTHER].l;

    atomic_fetch_or(&poller->header->settings.flags, FLAG_USAGE);
    CHECK_EQUAL(poller_elect(poller), SHMLIMIT_OK);
    CHECK_EQUAL(poller_write_sample(poller, 1000, fake_os.now_us, 2000), SHMLIMIT_OK);
}

void world_make(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(SLOTS, 3);
    int fd;

    settings.config = "{\"url\": \"https://example.invalid/usage\"}";
    settings.config_length = strlen(settings.config);
    scratch_segment(&settings);
    fd = open(scratch_path(), O_RDWR | O_CLOEXEC);
    bytes = mmap(NULL, SEGMENT_SIZE(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(bytes != MAP_FAILED);
    close(fd);
    for (enum actor actor = ACTOR_ME; actor <= ACTOR_OTHER; actor++) {
        scratch_attach(&holders[actor].l);
        holders[actor].is_here = true;
    }
    keep(BEGIN_FRESH);
    make_busy();
    keep(BEGIN_BUSY);
    make_gated();
    keep(BEGIN_GATED);
}

void world_begin(enum beginning beginning)
{
    const struct image *image = &images[beginning];

    memcpy(bytes, image->bytes, SEGMENT_SIZE(SLOTS));
    memcpy(holders, image->holders, sizeof holders);
    fake_os = image->os;
}

void world_end(void)
{
    for (enum actor actor = ACTOR_GUEST; actor < ACTORS; actor++)
        if (holders[actor].is_here)
            world_kill(&holders[actor]);
}

enum shmlimit_status world_attach(struct holder *guest, bool observer, struct fault *fault)
{
    struct fake_os before = fake_os;
    enum shmlimit_status status;

    memset(guest, 0, sizeof *guest);
    status = limiter_attach(&guest->l, scratch_path(), observer, fault);
    guest->is_here = status == SHMLIMIT_OK;
    if (!guest->is_here)
        memcpy(fake_os.locks, before.locks, sizeof before.locks); /* its open files are closed */
    return status;
}

static void leave(struct holder *guest)
{
    int fd = guest->l.fd;

    limiter_detach(&guest->l);
    fake_os_drop(fd);
    memset(guest, 0, sizeof *guest);
}

void world_detach(struct holder *guest) { leave(guest); }

void world_kill(struct holder *guest)
{
    guest->l.observer = true; /* who only looks leaves nothing when it goes: just the memory of this process is tidied */
    leave(guest);
}
