/* issue: siotctl pki issue, a key and its certificate. */
#include "siotctl/pem.h"
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include <stdio.h>
#include <unistd.h>

static int write_key(const struct authority *authority, const char *name, struct key *key)
{
    uint8_t der[KEY_DER_SIZE];
    char file[NAME_SIZE + 8];
    int len = key_to_private(key, der);
    if (len <= 0)
        return say_failed("%s: the key could not be written: %s", name, wc_GetErrorString(len));
    snprintf(file, sizeof(file), "%s.key", name);
    int status = authority_write(&authority->folder, authority->path, file, PEM_PRIVATE_KEY,
                                 slice_of(der, (size_t)len));
    explicit_bzero(der, sizeof(der));
    return status;
}

/* A key whose certificate could not be made is of no use, and its name would not be free. */
static int issue_to(struct authority *authority, struct certificate_plan *plan, struct key *key)
{
    char file[NAME_SIZE + 8];
    int status = authority_issue(authority, plan, key);
    snprintf(file, sizeof(file), "%s.key", plan->common_name);
    if (status != ENDED_WELL)
        unlinkat(authority->folder.fd, file, 0);
    return status;
}

static int issue(struct authority *authority, const struct pki_options *options)
{
    struct certificate_plan plan;
    struct pki_own_name own;
    struct key key;
    int status = pki_is_free(authority, options->subject, options->now);
    if (status == ENDED_WELL)
        status = pki_plan(options, authority, options->subject, &own, &plan);
    if (status != ENDED_WELL)
        return status;
    int failed = key_generate(&key, options->kind, options->bits, &authority->rng);
    if (failed)
        return say_failed("no key could be made: %s", wc_GetErrorString(failed));
    status = write_key(authority, options->subject, &key);
    if (status == ENDED_WELL)
        status = issue_to(authority, &plan, &key);
    key_clear(&key);
    if (status == ENDED_WELL)
        status = authority_write_crl(authority, options->now, options->crl_days);
    return status;
}

int pki_issue(const struct pki_options *options)
{
    struct authority authority;
    const char *mistake = name_mistake(options->subject);
    if (mistake)
        return say_misused("%s: %s", options->subject, mistake);
    int status = authority_open(&authority, options->dir);
    if (status == ENDED_WELL) {
        status = issue(&authority, options);
        authority_close(&authority);
    }
    return status;
}
