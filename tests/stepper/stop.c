#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "stepper.h"

#define TRAP_FLAG 0x100 /* EFLAGS.TF */
#define BREAKPOINT 0xcc /* int3 */
#define PAGE 4096

static volatile unsigned char *place;
static unsigned char instruction;
static uint64_t left;
static int signal_there;

/* At the breakpoint: puts the instruction back, and unless this is the time, comes back after it. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    bool is_there = (uint64_t)registers[REG_RIP] == (uint64_t)place + 1 && *place == BREAKPOINT;

    (void)signal;
    (void)info;
    if (!is_there) {
        registers[REG_EFL] &= ~TRAP_FLAG;
        *place = BREAKPOINT;
        return;
    }
    *place = instruction;
    registers[REG_RIP]--;
    if (--left)
        registers[REG_EFL] |= TRAP_FLAG;
    else
        kill(getpid(), signal_there);
}

int stop_at(uint64_t address, uint64_t n, int with)
{
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART};
    uint64_t page = address / PAGE * PAGE;

    /* One instruction's first byte: never in two pages. */
    if (mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
        return -errno;
    place = (volatile unsigned char *)address;
    instruction = *place;
    left = n;
    signal_there = with;
    sigaction(SIGTRAP, &trap, NULL);
    *place = BREAKPOINT;
    return 0;
}
