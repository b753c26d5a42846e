/* rule.h - what a schedule may break. */
#ifndef RULE_H
#define RULE_H

#include "check.h"

/* Names the rule and ends the program with the schedule that breaks it. */
#define RULE(name, is_kept) ((is_kept) ? (void)0 : check_failed(__FILE__, __LINE__, name))

#endif
