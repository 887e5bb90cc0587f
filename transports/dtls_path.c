/* dtls_path: see dtls_path.h. */
#include "transports/dtls_path.h"

bool dtls_path_heard(struct dtls_path *path, size_t bytes)
{
    path->heard += bytes;
    return path->said > 0;
}

bool dtls_path_allows(struct dtls_path *path, size_t bytes)
{
    if (path->said + bytes > PATH_FACTOR * path->heard)
        return false;
    path->said += bytes;
    return true;
}
