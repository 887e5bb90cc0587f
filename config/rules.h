/* rules: the list `auth.acl` of the configuration, as rules of broker/acl.h.
 *
 *   - {allow: [publish, subscribe], user: sensor-7, topics: ["sensors/%u/#"]}
 *   - {deny: all, topics: [{eq: "#"}]}
 *
 * allow or deny: publish, subscribe, receive or all. Whom: user, client, anonymous: true; without,
 * everybody. A topic that is a map {eq: ...} is meant as it is written. */
#ifndef SIOTD_CONFIG_RULES_H
#define SIOTD_CONFIG_RULES_H

#include "broker/acl.h"
#include "config/node.h"

/* Adds the rules of a list; every mistake goes to the report. `file` is the configuration's name.
 */
void rules_read(const struct node *list, const char *file, struct acl *acl, struct report *report);

#endif
