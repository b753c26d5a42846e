/* A process, and another that closes the limiter and opens it again: nobody is admitted on the limit that was, nobody sleeps on. */
#define LIMIT_CHANGES
#define LOWER 0
#define CLIENTS 2
#define SLOTS 2
#define PARTICIPANTS 3
#define LIMIT 1
#include "../protocol/protocol.pml"

init
{
    atomic {
        start();
        run Monitor();
        run Process(0, 1, 0);
        run Process(1, 1, SETS);
        run Process(2, 1, SURVIVES)
    }
}
