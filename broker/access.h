/* access: everything that says who may come in and what he may do: the users and the rules.
 *
 * One immutable, counted whole, read by the daemon and swapped in one step (broker_set_access), so
 * that no decision ever sees half of a reload. */
#ifndef SIOTD_BROKER_ACCESS_H
#define SIOTD_BROKER_ACCESS_H

#include "broker/acl.h"
#include "broker/users.h"

struct access {
    uint32_t refs;
    bool governs;           /* users or rules are configured, be there none in them: what no rule
                               allows is denied. False: whoever is let in may do everything */
    bool bind_client_id;    /* a proven identity may only use its own name as client id */
    struct users *users;    /* or NULL: no passwords are known */
    struct acl *acl;        /* sealed, never NULL */
    uint32_t checks;        /* passwords verified at the same time */
    uint32_t checks_queued; /* and waiting for that */
};

/* Nobody known and nothing ruled, with one reference; NULL when out of memory. */
struct access *access_new(void);
struct access *access_ref(struct access *access);
void access_unref(struct access *access); /* NULL allowed */

#endif
