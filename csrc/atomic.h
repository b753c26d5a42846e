/* atomic.h - every access to shared memory goes through here.
 *
 * All accesses are seq_cst, so that exploring sequentially consistent interleavings is sound; on x86-64 a load
 * costs nothing extra. The one exception is `fill*`: a store to a record that nobody else may read yet, which
 * the next CAS publishes.
 *
 * SHMLIMIT_STEP is the seam for tests: a function called before each access, where a test kills, freezes or
 * switches the caller. Without it the functions below compile to the bare instruction. */
#ifndef SHMLIMIT_ATOMIC_H
#define SHMLIMIT_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t shared64;
typedef _Atomic uint32_t shared32;

_Static_assert(sizeof(shared64) == 8 && sizeof(shared32) == 4, "shared words carry no lock");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared words are lock-free");
_Static_assert(sizeof(long) == 8, "LP64 only: futex time-outs and 64-bit words");

#ifdef SHMLIMIT_STEP
void SHMLIMIT_STEP(void);
#define STEP() SHMLIMIT_STEP()
#else
#define STEP() ((void)0)
#endif

static inline uint64_t load64(const shared64 *at) { STEP(); return atomic_load(at); }
static inline uint32_t load32(const shared32 *at) { STEP(); return atomic_load(at); }

static inline bool cas64(shared64 *at, uint64_t from, uint64_t to)
{
    STEP();
    return atomic_compare_exchange_strong(at, &from, to);
}

static inline void store64(shared64 *at, uint64_t value) { STEP(); atomic_store(at, value); }
static inline void store32(shared32 *at, uint32_t value) { STEP(); atomic_store(at, value); }
static inline uint64_t add64(shared64 *at, uint64_t n) { STEP(); return atomic_fetch_add(at, n); }
static inline uint32_t add32(shared32 *at, uint32_t n) { STEP(); return atomic_fetch_add(at, n); }

/* Only for a record whose slot or entry this caller owns and has not published. */
static inline void fill64(shared64 *at, uint64_t value)
{
    STEP();
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static inline void fill32(shared32 *at, uint32_t value)
{
    STEP();
    atomic_store_explicit(at, value, memory_order_relaxed);
}

/* Statistics only: nothing is decided on a counter. */
static inline void count64(shared64 *at)
{
    atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
}

#endif
