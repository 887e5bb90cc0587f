/* authority: a certificate authority in a folder, opened for one verb.
 *
 * Order of writing: the index goes first, for what is signed must be known even if the machine
 * stops before the certificate is on the disk. */
#include "siotctl/authority.h"

#include "siotctl/pem.h"
#include "siotctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int authority_write(const struct folder *folder, const char *path, const char *name,
                    const char *label, struct slice der)
{
    char *text = pem_encode(label, der);
    if (!text)
        return say_failed("out of memory");
    int failed = folder_write_new(folder, name, slice_of_str(text));
    explicit_bzero(text, strlen(text));
    free(text);
    return failed ? say_failed("%s/%s: %s", path, name, strerror(-failed)) : ENDED_WELL;
}

int authority_read(const struct folder *folder, const char *path, const char *name,
                   const char *label, uint8_t **der, size_t *len)
{
    uint8_t *text;
    size_t text_len;
    int failed = folder_read(folder, name, &text, &text_len);
    if (failed)
        return say_failed("%s/%s: %s", path, name, strerror(-failed));
    failed = pem_decode(slice_of(text, text_len), label, der, len);
    explicit_bzero(text, text_len);
    free(text);
    return failed ? say_failed("%s/%s: there is no sound PEM block \"%s\"", path, name, label)
                  : ENDED_WELL;
}

static int load_index(struct authority *authority)
{
    uint8_t *text;
    size_t len;
    unsigned line;
    int failed = folder_read(&authority->folder, "index", &text, &len);
    if (failed)
        return say_failed("%s/index: %s", authority->path, strerror(-failed));
    failed = index_parse(&authority->index, slice_of(text, len), &line);
    free(text);
    return failed ? say_failed("%s/index:%u: this is no line of an index", authority->path, line)
                  : ENDED_WELL;
}

static int load_certificate(struct authority *authority)
{
    size_t len;
    int status = authority_read(&authority->folder, authority->path, "ca.pem", PEM_CERTIFICATE,
                                &authority->der, &len);
    if (status == ENDED_WELL &&
        !certificate_read(&authority->certificate, slice_of(authority->der, len)))
        status = say_failed("%s/ca.pem: this is no certificate", authority->path);
    return status;
}

/* Whether the pair's public half is the certificate's. */
static bool is_pair(struct authority *authority)
{
    uint8_t public[KEY_DER_SIZE];
    int len = key_to_public(&authority->key, public);
    return len > 0 && slice_equal(slice_of(public, (size_t)len), authority->certificate.public);
}

static int load_key(struct authority *authority)
{
    uint8_t *der;
    size_t len;
    int status =
        authority_read(&authority->folder, authority->path, "ca.key", PEM_PRIVATE_KEY, &der, &len);
    if (status != ENDED_WELL)
        return status;
    int failed = key_from_private(&authority->key, slice_of(der, len));
    explicit_bzero(der, len);
    free(der);
    if (failed)
        return say_failed("%s/ca.key: this is no key that siotctl has made", authority->path);
    if (is_pair(authority))
        return ENDED_WELL;
    key_clear(&authority->key);
    return say_failed("%s/ca.key is not the key of ca.pem", authority->path);
}

int authority_open(struct authority *authority, const char *path)
{
    *authority = (struct authority){.path = path};
    int failed = folder_open(&authority->folder, path);
    if (failed)
        return say_failed("%s: %s%s", path, strerror(-failed),
                          failed == -ENOENT ? "; siotctl pki init makes an authority" : "");
    if (wc_InitRng(&authority->rng) != 0) {
        folder_close(&authority->folder);
        return say_failed("there are no random numbers");
    }
    int status = load_certificate(authority);
    if (status == ENDED_WELL)
        status = load_index(authority);
    if (status == ENDED_WELL)
        status = load_key(authority);
    if (status != ENDED_WELL) {
        index_clear(&authority->index);
        free(authority->der);
        wc_FreeRng(&authority->rng);
        folder_close(&authority->folder);
    }
    return status;
}

void authority_close(struct authority *authority)
{
    key_clear(&authority->key);
    index_clear(&authority->index);
    free(authority->der);
    wc_FreeRng(&authority->rng);
    folder_close(&authority->folder);
}

int authority_save_index(const struct authority *authority)
{
    char *text = index_format(&authority->index);
    if (!text)
        return say_failed("out of memory");
    int failed = folder_replace(&authority->folder, "index", slice_of_str(text), NULL);
    free(text);
    return failed ? say_failed("%s/index: %s", authority->path, strerror(-failed)) : ENDED_WELL;
}

static int enter(struct authority *authority, const struct certificate_plan *plan)
{
    struct index_entry entry = {.server = plan->use == CERTIFICATE_SERVER, .until = plan->until};
    memcpy(entry.serial, plan->serial, sizeof(entry.serial));
    snprintf(entry.name, sizeof(entry.name), "%s", plan->common_name);
    if (index_add(&authority->index, &entry) != 0)
        return say_failed("out of memory");
    return authority_save_index(authority);
}

int authority_issue(struct authority *authority, struct certificate_plan *plan, struct key *subject)
{
    static uint8_t der[CERTIFICATE_SIZE];
    struct certificate_signer signer = {&authority->key, &authority->certificate};
    char file[NAME_SIZE + 8], until[INDEX_TIME_SIZE], what[16];
    certificate_draw_serial(plan->serial);
    int len = certificate_make(plan, subject, &signer, &authority->rng, der);
    if (len <= 0)
        return say_failed("%s: the certificate could not be made: %s", plan->common_name,
                          wc_GetErrorString(len));
    int status = enter(authority, plan);
    snprintf(file, sizeof(file), "%s.pem", plan->common_name);
    if (status == ENDED_WELL)
        status = authority_write(&authority->folder, authority->path, file, PEM_CERTIFICATE,
                                 slice_of(der, (size_t)len));
    if (status != ENDED_WELL)
        return status;
    index_time_text(plan->until, until);
    key_describe(subject, what);
    printf("%s/%s: %s certificate, %s, until %s\n", authority->path, file,
           plan->use == CERTIFICATE_SERVER ? "server" : "client", what, until);
    return ENDED_WELL;
}
