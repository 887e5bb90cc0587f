/* stacks: see stacks.h. */
#include "transports/stacks.h"

const struct stack stacks[] = {
    {.name = "tcp", .carrier = CARRIER_STREAM, .unix_sockets = true},
};

const size_t stacks_count = sizeof(stacks) / sizeof(stacks[0]);

const struct stack *stack_find(const char *name)
{
    for (size_t i = 0; i < stacks_count; i++)
        if (strcmp(stacks[i].name, name) == 0)
            return &stacks[i];
    return NULL;
}
