/* settings.c: what people change at run time. */

/* take_effect() */
inline take_effect()
{
    bump();
    GRANT(7)
}

/* limiter_set_limit(), to LOWER and back. Until it is in force an admission may still be within the old one. */
inline lower_and_raise()
{
    wanted = LOWER;
    do
    :: STEP(limit = wanted; bound = (limit > bound -> limit : bound));
        take_effect();
        if
        :: wanted == LIMIT -> break
        :: else -> wanted = LIMIT
        fi
    od;
    wanted = 0
}
