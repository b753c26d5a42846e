#define _GNU_SOURCE
#include "process.h"

#include <setjmp.h>
#include <ucontext.h>

#include "scheduler.h"

/* A process has its own globals: included, so that they can be exchanged. */
#include "attach.c"

#define STACK_BYTES 65536

struct process processes[EVERYBODY];
int running = -1;

static int loaded = -1;
static char stacks[PROCESSES][STACK_BYTES];
static jmp_buf beginnings[PROCESSES], places[EVERYBODY];

/* ---- No locks: the others are other processes, and a process here has one thread. */
int pthread_mutex_lock(pthread_mutex_t *mutex) { return (void)mutex, 0; }
int pthread_mutex_unlock(pthread_mutex_t *mutex) { return (void)mutex, 0; }

void process_load(int who)
{
    if (loaded == who)
        return;
    if (loaded >= 0) {
        processes[loaded].registry = registry;
        processes[loaded].epoch = *epoch_page;
        processes[loaded].epoch_before_fork = epoch_before_fork;
    }
    if (who >= 0) {
        registry = processes[who].registry;
        atomic_store_explicit(epoch_page, processes[who].epoch, memory_order_relaxed);
        epoch_before_fork = processes[who].epoch_before_fork;
    }
    loaded = who;
}

void process_fork(int parent, int child)
{
    struct process *p = &processes[parent], *c = &processes[child];

    process_load(-1);
    c->l = p->l;
    c->permit = p->permit;
    c->registry = &c->l;
    c->l.next = NULL;
    c->epoch = p->epoch;
    c->epoch_before_fork = p->epoch_before_fork;
    process_load(child);
    /* The descriptor is the parent's, who goes on using it. */
    c->l.fd = -1;
    after_fork_in_child();
    process_load(parent);
    c->born = true;
}

/* Leaves here, and comes back when somebody jumps to this place. By setjmp: swapcontext() calls the system. */
static void jump(jmp_buf here, jmp_buf there)
{
    if (!_setjmp(here))
        _longjmp(there, 1);
}

void process_switch(int to)
{
    int from = running;
    bool is_under_way = processes[to].under_way;

    process_load(to);
    running = to;
    processes[to].under_way = true;
    jump(places[from], is_under_way ? places[to] : beginnings[to]);
}

static ucontext_t starter, starting;

static void live(int who)
{
    if (!_setjmp(beginnings[who]))
        swapcontext(&starting, &starter);
    scheduler_play(who);
}

void processes_start(void)
{
    struct fault fault;

    process_start(&fault);
    for (int who = 0; who < PROCESSES; who++) {
        getcontext(&starting);
        starting.uc_stack.ss_sp = stacks[who];
        starting.uc_stack.ss_size = STACK_BYTES;
        starting.uc_link = NULL;
        makecontext(&starting, (void (*)(void))(void *)live, 1, who);
        swapcontext(&starter, &starting);
    }
}
