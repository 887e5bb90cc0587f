/* pki: siotctl pki, a certificate authority in a folder. Each verb is a file. */
#ifndef SIOTD_SIOTCTL_PKI_H
#define SIOTD_SIOTCTL_PKI_H

#include "siotctl/authority.h"

enum {
    PKI_AUTHORITY_DAYS = 3650,
    PKI_CERTIFICATE_DAYS = 825,
    PKI_CRL_DAYS = 365,
    PKI_DAYS_MAX = 36500,
};

/* What stood on the command line behind the verb. */
struct pki_options {
    const char *dir;
    const char *subject; /* the argument that is no option; NULL: none */
    const char *name;    /* --name */
    const char *alt[NAME_ALT_COUNT_MAX];
    size_t alt_count;
    bool server;
    unsigned days, crl_days; /* 0 days: not given */
    enum key_kind kind;
    int bits; /* of an RSA key */
    time_t now;
};

/* The verbs; each returns an exit status, having said why when it is not ENDED_WELL. */
int pki_init(const struct pki_options *options);
int pki_issue(const struct pki_options *options);
int pki_sign(const struct pki_options *options);
int pki_revoke(const struct pki_options *options);
int pki_crl(const struct pki_options *options);
int pki_list(const struct pki_options *options);
int pki_verify(const struct pki_options *options);

/* The subject alternative name of a certificate for which none was asked. */
struct pki_own_name {
    char text[NAME_SIZE + 8];
    const char *alt[1];
};

/* For issue and sign: what the options say of a certificate that begins now; it borrows from all
 * of them. An exit status, having said why not. */
int pki_plan(const struct pki_options *options, const struct authority *authority, const char *name,
             struct pki_own_name *own, struct certificate_plan *plan);

/* Whether the name is still free in the authority's folder and index; says so when not. */
int pki_is_free(const struct authority *authority, const char *name, time_t now);

#endif
