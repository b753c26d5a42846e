#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "guard.h"
#include "stepper.h"
#include "watch.h"

#define TRAP_FLAG 0x100 /* EFLAGS.TF */

static struct text text;
static struct arrival *record;
static uint64_t n_arrivals, room;
static uint32_t state;
static bool is_walking;
static struct sigaction fault_before;

static void open_text(bool is_open)
{
    mprotect((void *)text.from, text.to - text.from, PROT_READ | (is_open ? PROT_EXEC : 0));
}

static void mark_shared(void)
{
    if (n_arrivals && n_arrivals <= room)
        record[n_arrivals - 1].is_shared = 1;
}

/* Outside, only a system call can change anything, so what the kernel knows is looked at on the way in. */
static void arrive(ucontext_t *context, bool is_entry)
{
    uint64_t address = (uint64_t)context->uc_mcontext.gregs[REG_RIP];

    state += watch_look(is_entry);
    if (address < text.from || address >= text.to) {
        mark_shared();
        guard_open();
        context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        open_text(false);
        return;
    }
    if (is_entry)
        guard_find();
    guard_close();
    context->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    if (n_arrivals < room)
        record[n_arrivals] = (struct arrival){.offset = (uint32_t)(address - text.from), .state = state};
    n_arrivals++;
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    arrive(context, false);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    uint64_t address = (uint64_t)info->si_addr;

    if (is_walking && guard_covers(address)) {
        mark_shared();
        guard_open();
        return;
    }
    if (!is_walking || address < text.from || address >= text.to) {
        sigaction(signal, &fault_before, NULL); /* a fault of its own: it comes again */
        return;
    }
    open_text(true);
    arrive(context, true);
}

void walk_begin(struct text through, const char *directory, const char *part, struct arrival *arrivals, uint64_t at_most)
{
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART};

    text = through;
    record = arrivals;
    room = at_most;
    watch_begin(directory, part);
    guard_begin(part);
    sigaction(SIGTRAP, &trap, NULL);
    sigaction(SIGSEGV, &fault, &fault_before);
    is_walking = true;
    open_text(false);
}

uint64_t walk_end(void)
{
    is_walking = false;
    guard_open();
    open_text(true);
    return n_arrivals;
}
