/* access: see access.h. */
#include "broker/access.h"
#include <stdlib.h>

struct access *access_new(void)
{
    struct access *access = calloc(1, sizeof *access);
    struct acl *acl = acl_new();
    if (!access || !acl) {
        acl_unref(acl);
        free(access);
        return NULL;
    }
    access->refs = 1;
    access->acl = acl;
    return access;
}

struct access *access_ref(struct access *access)
{
    access->refs++;
    return access;
}

void access_unref(struct access *access)
{
    if (!access || --access->refs > 0)
        return;
    users_unref(access->users);
    acl_unref(access->acl);
    free(access);
}
