/* revoke: siotctl pki revoke and pki crl: who is no longer to be believed. */
#include "siotctl/pem.h"
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether NAME.pem is the certificate that was revoked, and not a newer one. */
static bool is_file_of(const struct authority *authority, const struct index_entry *entry)
{
    struct certificate certificate;
    char file[NAME_SIZE + 8];
    uint8_t *text, *der;
    size_t text_len, len;
    snprintf(file, sizeof(file), "%s.pem", entry->name);
    if (folder_read(&authority->folder, file, &text, &text_len) != 0)
        return false;
    int failed = pem_decode(slice_of(text, text_len), PEM_CERTIFICATE, &der, &len);
    free(text);
    if (failed)
        return false;
    bool is = certificate_read(&certificate, slice_of(der, len)) &&
              slice_equal(certificate.serial, slice_of(entry->serial, sizeof(entry->serial)));
    free(der);
    return is;
}

/* Puts the files of a revoked certificate aside, so that its name is free again. */
static int put_aside(const struct authority *authority, const struct index_entry *entry)
{
    static const char *const suffixes[] = {"pem", "key"};
    char serial[2 * INDEX_SERIAL_LEN + 1];
    index_serial_text(entry->serial, serial);
    if (!is_file_of(authority, entry))
        return ENDED_WELL;
    if (mkdirat(authority->folder.fd, "revoked", 0700) != 0 && errno != EEXIST)
        return say_failed("%s/revoked: %s", authority->path, strerror(errno));
    for (size_t i = 0; i < 2; i++) {
        char from[NAME_SIZE + 8], to[NAME_SIZE + 64];
        snprintf(from, sizeof(from), "%s.%s", entry->name, suffixes[i]);
        snprintf(to, sizeof(to), "revoked/%s-%s.%s", entry->name, serial, suffixes[i]);
        int failed = folder_move(&authority->folder, from, to);
        if (failed && failed != -ENOENT) /* a device that signed a request has its key itself */
            return say_failed("%s/%s: %s", authority->path, from, strerror(-failed));
    }
    return ENDED_WELL;
}

static int end_certificate(struct authority *authority, const struct pki_options *options)
{
    struct index_entry *entry = index_find(&authority->index, options->subject);
    char serial[2 * INDEX_SERIAL_LEN + 1];
    if (!entry)
        return say_failed("%s: this authority has issued nothing of that name or serial number",
                          options->subject);
    bool again = entry->revoked;
    if (!again) {
        entry->revoked = true;
        entry->since = options->now;
    }
    /* Also when it was revoked before: perhaps the list could not be written then. */
    int status = authority_write_crl(authority, options->now, options->crl_days);
    if (status == ENDED_WELL)
        status = put_aside(authority, entry);
    index_serial_text(entry->serial, serial);
    if (status == ENDED_WELL)
        printf("%s (%s) %s revoked; %s/ca.crl has number %lu\n", entry->name, serial,
               again ? "was already" : "is", authority->path, authority->index.crl_number);
    return status;
}

int pki_revoke(const struct pki_options *options)
{
    struct authority authority;
    int status = authority_open(&authority, options->dir);
    if (status == ENDED_WELL) {
        status = end_certificate(&authority, options);
        authority_close(&authority);
    }
    return status;
}

int pki_crl(const struct pki_options *options)
{
    struct authority authority;
    int status = authority_open(&authority, options->dir);
    if (status != ENDED_WELL)
        return status;
    status = authority_write_crl(&authority, options->now, options->crl_days);
    if (status == ENDED_WELL) {
        char until[INDEX_TIME_SIZE];
        index_time_text(options->now + (time_t)options->crl_days * AUTHORITY_DAY_S, until);
        printf("%s/ca.crl: number %lu, good until %s\n", authority.path, authority.index.crl_number,
               until);
    }
    authority_close(&authority);
    return status;
}
