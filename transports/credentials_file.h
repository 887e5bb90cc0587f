/* credentials_file: a small file of credentials, read whole. */
#ifndef SIOTD_TRANSPORTS_CREDENTIALS_FILE_H
#define SIOTD_TRANSPORTS_CREDENTIALS_FILE_H

#include "base/slice.h"

struct credentials_file {
    uint8_t *at; /* owned; NUL-terminated behind len */
    size_t len;
    bool loose; /* somebody besides its owner may read it */
};

/* Returns 0 or -errno with a sentence in `why`; -EINVAL for what is no regular file, is empty or is
 * larger than 1 MiB. */
int credentials_file_read(const char *path, struct credentials_file *file, char *why,
                          size_t why_size);

/* Overwrites and frees; idempotent. */
void credentials_file_clear(struct credentials_file *file);

#endif
