/* ca: siotctl pki init, which makes an authority. */
#include "siotctl/pem.h"
#include "siotctl/pki.h"
#include "siotctl/say.h"

#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const files[] = {"ca.pem", "ca.key", "ca.crl", "index"};
enum { FILE_COUNT = sizeof(files) / sizeof(files[0]) };

static int refuse_second(const struct authority *authority)
{
    for (size_t i = 0; i < FILE_COUNT; i++)
        if (folder_has(&authority->folder, files[i]))
            return say_failed("%s/%s exists: nothing is overwritten", authority->path, files[i]);
    return ENDED_WELL;
}

static int write_key(struct authority *authority)
{
    uint8_t der[KEY_DER_SIZE];
    int len = key_to_private(&authority->key, der);
    if (len <= 0)
        return say_failed("the key could not be written: %s", wc_GetErrorString(len));
    int status = authority_write(&authority->folder, authority->path, "ca.key", PEM_PRIVATE_KEY,
                                 slice_of(der, (size_t)len));
    explicit_bzero(der, sizeof(der));
    return status;
}

static int write_certificate(struct authority *authority, const struct pki_options *options,
                             const char *common_name)
{
    unsigned days = options->days ? options->days : PKI_AUTHORITY_DAYS;
    struct certificate_plan plan = {
        .use = CERTIFICATE_AUTHORITY,
        .common_name = common_name,
        .from = options->now - AUTHORITY_BACKDATE_S,
        .until = options->now + (time_t)days * AUTHORITY_DAY_S,
    };
    struct certificate_signer itself = {&authority->key, NULL};
    certificate_draw_serial(plan.serial);
    authority->der = malloc(CERTIFICATE_SIZE);
    if (!authority->der)
        return say_failed("out of memory");
    int len = certificate_make(&plan, &authority->key, &itself, &authority->rng, authority->der);
    if (len <= 0)
        return say_failed("the certificate could not be made: %s", wc_GetErrorString(len));
    struct slice der = slice_of(authority->der, (size_t)len);
    if (!certificate_read(&authority->certificate, der))
        return say_failed("the certificate that was made cannot be read");
    return authority_write(&authority->folder, authority->path, "ca.pem", PEM_CERTIFICATE, der);
}

static int make(struct authority *authority, const struct pki_options *options,
                const char *common_name)
{
    int failed = key_generate(&authority->key, options->kind, options->bits, &authority->rng);
    if (failed)
        return say_failed("no key could be made: %s", wc_GetErrorString(failed));
    int status = write_key(authority);
    if (status == ENDED_WELL)
        status = write_certificate(authority, options, common_name);
    if (status == ENDED_WELL)
        status = authority_write_crl(authority, options->now, options->crl_days);
    if (status == ENDED_WELL) {
        char until[INDEX_TIME_SIZE], what[16];
        index_time_text(authority->certificate.until, until);
        key_describe(&authority->key, what);
        printf("%s: certificate authority \"%s\", %s, until %s; keep ca.key to yourself\n",
               authority->path, common_name, what, until);
    }
    /* Half an authority is none, and would be in the way of the next attempt. */
    for (size_t i = 0; status != ENDED_WELL && i < FILE_COUNT; i++)
        unlinkat(authority->folder.fd, files[i], 0);
    key_clear(&authority->key);
    return status;
}

/* Printable ASCII that every PEM reader shows as it is. */
static bool is_common_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] < ' ' || name[i] > '~')
            return false;
    return len > 0 && len <= NAME_LEN_MAX && name[0] != ' ' && name[len - 1] != ' ';
}

int pki_init(const struct pki_options *options)
{
    struct authority authority = {.path = options->dir};
    char own[NAME_SIZE];
    /* Two authorities of one name confuse those who trust both. */
    snprintf(own, sizeof(own), "siotd CA %08x", (unsigned)(random_u64() >> 32));
    const char *common_name = options->name ? options->name : own;
    if (!is_common_name(common_name))
        return say_misused("--name takes 1 to %d printable ASCII characters", NAME_LEN_MAX);
    int failed = folder_make(&authority.folder, options->dir);
    if (failed)
        return say_failed("%s: %s", options->dir, strerror(-failed));
    int status = refuse_second(&authority);
    if (status == ENDED_WELL && wc_InitRng(&authority.rng) != 0)
        status = say_failed("there are no random numbers");
    else if (status == ENDED_WELL) {
        status = make(&authority, options, common_name);
        wc_FreeRng(&authority.rng);
    }
    free(authority.der);
    folder_close(&authority.folder);
    return status;
}
