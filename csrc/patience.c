#include "patience.h"

_Thread_local uint32_t patience_left PATIENCE_STORAGE = PATIENCE;
