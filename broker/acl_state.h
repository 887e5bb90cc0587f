/* acl_state: what acl.c and grant.c know of each other. For these two only. */
#ifndef SIOTD_BROKER_ACL_STATE_H
#define SIOTD_BROKER_ACL_STATE_H

#include "broker/acl.h"

/* What a placeholder in a topic stands for. */
enum acl_name { ACL_NAME_NONE, ACL_NAME_USER, ACL_NAME_CLIENT, ACL_NAME_CN };

/* The placeholder that `s` begins with, and its length. */
enum acl_name acl_name_at(struct slice s, size_t *len);

/* Indexes of rules, ascending; borrowed. */
struct acl_list {
    const uint32_t *at;
    size_t count;
};

/* The lists that hold all rules of a sealed set which may concern the subject; how many. */
size_t acl_lists(const struct acl *acl, const struct acl_subject *subject,
                 struct acl_list lists[4]);

#endif
