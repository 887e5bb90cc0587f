/* tls_groups: the groups of a key exchange, by the names that files and command lines use. */
#ifndef SIOTD_TRANSPORTS_TLS_GROUPS_H
#define SIOTD_TRANSPORTS_TLS_GROUPS_H

/* wolfSSL's number of that group, or 0 when there is none of that name. */
int tls_group(const char *name);

/* All names, with blanks between them, for an error message. */
extern const char tls_group_names[];

#endif
