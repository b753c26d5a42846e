/* Everybody is attached and every slot FREE. */
inline start()
{
    byte n;
    n = 0;
    do
    :: n < SLOTS -> slot[n].owner = NOBODY; slot[n].weight = 1; n++
    :: else -> break
    od;
    n = 0;
    do
    :: n < PARTICIPANTS -> participant[n].state = LIVE; participant[n].locked = 1; n++
    :: else -> break
    od;
    n = 0
}
