#include "check.h"
#include "strategies.h"

#define DEPTH_MAX 65536

/* The path to the leaf of the tree: which of how many moves was made where there was a choice. */
static struct {
    uint8_t move, n;
} path[DEPTH_MAX];
static size_t depth, length;

static size_t choose(const struct move *moves, size_t n)
{
    (void)moves;
    if (n == 1)
        return 0;
    if (depth == length) {
        CHECK(length < DEPTH_MAX);
        path[length].move = 0;
        path[length++].n = (uint8_t)n;
    }
    CHECK_EQUAL(path[depth].n, n); /* the same moves lead to the same place */
    return path[depth++].move;
}

void exhaustive_begin(void) { depth = length = 0; }

bool exhaustive_next(void)
{
    depth = 0;
    while (length && path[length - 1].move + 1 == path[length - 1].n)
        length--;
    if (length)
        path[length - 1].move++;
    return length;
}

const struct strategy exhaustive = {choose};
