/* Two processes, one permit: every race of acquire, park, grant and release. Nobody dies and nothing ticks, so a wake
 * that is lost is a process that sleeps for ever: an invalid end state. */
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
        run Process(1, 1, 0);
        run Process(2, 1, SURVIVES)
    }
}
