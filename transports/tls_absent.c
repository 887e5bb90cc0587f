/* tls_absent: what stands in for TLS in a build without it. */
#include "transports/keylog.h"

#include <errno.h>

int keylog_open(const char *path)
{
    (void)path;
    return -ENOTSUP;
}

void keylog_close(void)
{
}
