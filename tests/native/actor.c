#define _GNU_SOURCE
#include "actor.h"

#include <string.h>

#include "fake_os.h"

#define STACK_BYTES 65536

void step(void);

struct actor actors[ACTORS];
static struct actor actors_image[ACTORS];
static char stacks[ACTORS][STACK_BYTES];
static struct actor *current;
static ucontext_t inspector_context;

void step(void)
{
    if (!current || current->left < 0)
        return;
    while (current->left == 0)
        swapcontext(&current->context, &inspector_context);
    if (current->left > 0)
        current->left--;
}

/* ---- The world and its image. */
uint32_t ceiling_milli;
static char header_image[512];
static struct participant participants_image[8];
struct slot slots_image[SLOTS];
static struct fake_os os_image;

void actors_save(void)
{
    struct limiter *l = &actors[INSPECTOR].l;

    memcpy(header_image, l->header, sizeof header_image);
    memcpy(participants_image, l->participants, sizeof participants_image);
    memcpy(slots_image, l->slots, sizeof slots_image);
    memcpy(actors_image, actors, sizeof actors);
    os_image = fake_os;
}

void actors_restore(void)
{
    struct limiter *l = &actors_image[INSPECTOR].l;

    memcpy((void *)l->header, header_image, sizeof header_image);
    memcpy((void *)l->participants, participants_image, sizeof participants_image);
    memcpy((void *)l->slots, slots_image, sizeof slots_image);
    memcpy(actors, actors_image, sizeof actors);
    fake_os = os_image;
    ceiling_milli = UINT32_MAX;
}

static void enter_actor(int i)
{
    actors[i].act(&actors[i]);
    actors[i].done = true;
}

void actor_run(int i, long accesses)
{
    struct actor *p = &actors[i];

    if (p->done || p->dead)
        return;
    if (!p->context.uc_link) {
        getcontext(&p->context);
        p->context.uc_stack.ss_sp = stacks[i];
        p->context.uc_stack.ss_size = STACK_BYTES;
        p->context.uc_link = &inspector_context;
        makecontext(&p->context, (void (*)(void))(void *)enter_actor, 1, i);
    }
    p->left = accesses;
    current = p;
    swapcontext(&inspector_context, &p->context);
    current = NULL;
}

void actor_die(int i)
{
    if (actors[i].done)
        return;
    for (struct actor *p = &actors[i]; p; p = p->plays) {
        p->dead = true;
        fake_os_drop(p->l.fd);
    }
}
