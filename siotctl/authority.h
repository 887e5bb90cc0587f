/* authority: a certificate authority in a folder, opened for one verb.
 *
 *   ca.pem ca.key    its certificate and key     NAME.pem NAME.key   what was issued
 *   ca.crl           its revocation list         revoked/            what was, once revoked
 *   index            what it issued and revoked
 * While it is open no other siotctl works in the folder. */
#ifndef SIOTD_SIOTCTL_AUTHORITY_H
#define SIOTD_SIOTCTL_AUTHORITY_H

#include "siotctl/certificate.h"
#include "siotctl/folder.h"

enum { AUTHORITY_BACKDATE_S = 3600, AUTHORITY_DAY_S = 86400 };

struct authority {
    const char *path;
    struct folder folder;
    WC_RNG rng;
    struct key key;
    struct certificate certificate;
    uint8_t *der; /* of the certificate */
    struct index index;
};

/* All functions that return an exit status have said why when it is not ENDED_WELL. */

/* Opens an authority that `pki init` has made. */
int authority_open(struct authority *authority, const char *path);
void authority_close(struct authority *authority);

/* Writes the index, in place of the old one. */
int authority_save_index(const struct authority *authority);

/* Writes DER as PEM to a new file NAME.SUFFIX of the folder. */
int authority_write(const struct folder *folder, const char *path, const char *name,
                    const char *label, struct slice der);

/* Reads a PEM file of the folder; the caller frees *der. */
int authority_read(const struct folder *folder, const char *path, const char *name,
                   const char *label, uint8_t **der, size_t *len);

/* Makes the certificate of a key, writes it to NAME.pem and to the index, and says so. */
int authority_issue(struct authority *authority, struct certificate_plan *plan,
                    struct key *subject);

/* Makes a new revocation list with the next number, for so many days from now on, and writes it to
 * ca.crl, in place of the old one. */
int authority_write_crl(struct authority *authority, time_t now, unsigned days);

#endif
