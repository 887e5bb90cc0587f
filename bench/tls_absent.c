/* In place of tls.c where siotd is built without TLS: --tls is refused. */
#include "bench/transport.h"

#include <stdio.h>

int transport_tls_start(const struct options *options)
{
    (void)options;
    fprintf(stderr, "siotd-bench: --tls: built without TLS\n");
    return -1;
}

const struct transport transport_tls = {.name = "tls"};
