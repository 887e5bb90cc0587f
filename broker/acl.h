/* acl: who may do what to which topic: ordered rules, the first that fits decides, none: no.
 *
 * A rule set is built (acl_new, acl_add, acl_read_mosquitto), sealed, and immutable from then on;
 * it is counted. auth.c asks it; nobody else decides. Because most decisions are asked for by few
 * sessions again and again, the rules that concern somebody are selected once, with his names put
 * in (a grant), and each decision is a walk over those few.
 *
 * Names are put in literally, within a level: a name that holds '+', '#', '/' or NUL (or begins a
 * topic with '$') would widen a rule, so a rule that meets such a name says no. There are no
 * regular expressions anywhere. Pure: no I/O, no clock, no log. */
#ifndef SIOTD_BROKER_ACL_H
#define SIOTD_BROKER_ACL_H

#include "broker/lines.h"

struct acl;
struct grant;

/* Bits. Who may not subscribe to a topic is not sent it either, and who may is: SUBSCRIBE in a rule
 * of the configuration comes with RECEIVE. RECEIVE alone refines a wider subscription. */
enum acl_right { ACL_PUBLISH = 1, ACL_SUBSCRIBE = 2, ACL_RECEIVE = 4 };

/* Whom a decision is about. */
struct acl_subject {
    bool anonymous;
    struct slice user;      /* empty when anonymous */
    struct slice client_id; /* not empty */
    struct slice cert_cn;   /* of the certificate; empty without */
};

/* A rule as it is written down. Strings are copied by acl_add. */
struct acl_rule {
    const char *file; /* where it stands, for explanations */
    unsigned line;
    bool allow;
    unsigned rights; /* enum acl_right bits */
    /* Whom it is for; all that is set must fit, nothing set: everybody, the anonymous included. */
    struct slice user, client_id;
    bool anonymous; /* only for those without a name */
    struct slice topic;
    bool exact;      /* the topic or filter itself: {eq: "#"} */
    bool substitute; /* %u %c ${username} ${clientid} ${cert.cn} stand for names */
    /* SUBSCRIBE fits any filter that could be sent something by this rule, not only those that the
     * rule covers: how Mosquitto's files are meant. */
    bool lenient;
    unsigned rank; /* rules of lower rank come first; within a rank, as they were added */
};

enum { ACL_WHY_SIZE = 160 };

/* An empty set with one reference, or NULL when out of memory. Nothing fits an empty set. */
struct acl *acl_new(void);
struct acl *acl_ref(struct acl *acl);
void acl_unref(struct acl *acl); /* NULL allowed */

/* Adds a rule. False with a reason in `why`: a topic that is no filter, an unknown ${...}, no
 * memory. */
bool acl_add(struct acl *acl, const struct acl_rule *rule, char why[ACL_WHY_SIZE]);

/* Reads a file in Mosquitto's format (user, topic, pattern lines), which stays as it is. Denials
 * come before grants and a user's own lines before patterns, as there. Calls `mistake` for each
 * line that is none (counted from 1, the column in bytes), and returns how many there were; the set
 * is useless then. */
size_t acl_read_mosquitto(struct acl *acl, const char *file, struct slice text,
                          void (*mistake)(void *to, unsigned line, unsigned column,
                                          const char *why),
                          void *to);

/* Puts the rules in order and makes them quick to find. False: out of memory. */
bool acl_seal(struct acl *acl);

/* How many rules there are. */
size_t acl_count(const struct acl *acl);

/* One line about a rule, in order of decision: `acl:12: allow publish for user "x" to "a/#"`. */
const char *acl_rule_text(const struct acl *acl, size_t index, char *to, size_t size);
/* The rule itself; borrowed. */
const struct acl_rule *acl_rule_at(const struct acl *acl, size_t index);

/* The rules of a sealed set that concern somebody, his names put in: to be freed with grant_free
 * and not to be asked when the set has gone. NULL when out of memory, which means no. */
struct grant *acl_select(const struct acl *acl, const struct acl_subject *subject);
void grant_free(struct grant *grant);

/* The decision. `right` is one bit; `topic` is a name, for ACL_SUBSCRIBE a filter without its
 * $share part. */
bool grant_allows(const struct grant *grant, enum acl_right right, struct slice topic);

/* The decision and what decided: *rule is the index of the rule, or -1 when none fits; *spoilt
 * tells that it said no because a name may not be put into it. */
bool grant_explain(const struct grant *grant, enum acl_right right, struct slice topic, long *rule,
                   bool *spoilt);

#endif
