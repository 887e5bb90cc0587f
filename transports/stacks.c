/* stacks: see stacks.h. */
#include "transports/stacks.h"

#ifdef SIOTD_TLS
#include "transports/dtls.h"
#include "transports/tls.h"
#define TLS_STACKS                                                                                 \
    {.name = "tls", .carrier = CARRIER_STREAM, .layer = &tls_layer, .private = true, .tls = true}, \
        {.name = "dtls",                                                                           \
         .carrier = CARRIER_DATAGRAM,                                                              \
         .datagram_layer = &dtls_layer,                                                            \
         .private = true,                                                                          \
         .tls = true},
#else
#define TLS_STACKS
#endif

const struct stack stacks[] = {
    {.name = "tcp", .carrier = CARRIER_STREAM, .unix_sockets = true},
    {.name = "udp", .carrier = CARRIER_DATAGRAM},
    TLS_STACKS /* its rows */
};

const size_t stacks_count = sizeof(stacks) / sizeof(stacks[0]);

const struct stack *stack_find(const char *name)
{
    for (size_t i = 0; i < stacks_count; i++)
        if (strcmp(stacks[i].name, name) == 0)
            return &stacks[i];
    return NULL;
}
