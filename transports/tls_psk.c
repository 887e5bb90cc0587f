/* tls_psk: see tls_psk.h. Asked during a handshake that offers an identity. */
#include "transports/tls_psk.h"

#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>

struct psk {
    uint8_t identity_len, key_len;
    uint8_t identity[PSK_IDENTITY_MAX], key[PSK_KEY_MAX];
};

struct psk_table {
    size_t count, room;
    struct psk *all; /* sorted by identity once read */
};

static struct slice identity_of(const struct psk *psk)
{
    return slice_of(psk->identity, psk->identity_len);
}

static int compare_slices(struct slice a, struct slice b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *a, const void *b)
{
    return compare_slices(identity_of(a), identity_of(b));
}

bool psk_identity_valid(struct slice identity)
{
    return identity.len > 0 && identity.len <= PSK_IDENTITY_MAX && utf8_clean(identity);
}

static int digit(uint8_t letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* What is wrong with the key, or NULL. */
static const char *read_key(struct slice hex, struct psk *psk)
{
    if (hex.len % 2 || hex.len < 2 * PSK_KEY_MIN || hex.len > 2 * PSK_KEY_MAX)
        return "the key must have from 32 to 128 hexadecimal digits, an even number";
    for (size_t i = 0; i < hex.len; i++) {
        int value = digit(hex.at[i]);
        if (value < 0)
            return "the key has something in it that is no hexadecimal digit";
        psk->key[i / 2] = (uint8_t)(psk->key[i / 2] << 4 | value);
    }
    psk->key_len = (uint8_t)(hex.len / 2);
    return NULL;
}

static const char *read_line(struct slice line, struct psk *psk)
{
    /* The last colon: an identity may have some (urn:dev:...). */
    size_t colon = line.len;
    while (colon > 0 && line.at[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return "has no colon between identity and key";
    struct slice identity = slice_of(line.at, colon - 1);
    if (!psk_identity_valid(identity))
        return "the identity must be UTF-8 of 1 to 128 bytes without control characters";
    memcpy(psk->identity, identity.at, identity.len);
    psk->identity_len = (uint8_t)identity.len;
    return read_key(slice_of(line.at + colon, line.len - colon), psk);
}

static struct psk *add(struct psk_table *table)
{
    if (table->count == table->room) {
        /* Not realloc: it would leave keys behind in memory that is free. */
        size_t room = table->room ? table->room * 2 : 16;
        struct psk *all = malloc(room * sizeof(*all));
        if (!all)
            return NULL;
        if (table->all) {
            memcpy(all, table->all, table->count * sizeof(*all));
            explicit_bzero(table->all, table->count * sizeof(*all));
        }
        free(table->all);
        table->all = all;
        table->room = room;
    }
    struct psk *psk = &table->all[table->count++];
    memset(psk, 0, sizeof(*psk));
    return psk;
}

static bool read_lines(struct psk_table *table, struct slice text, char *why, size_t why_size)
{
    for (unsigned number = 1; text.len > 0; number++) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        size_t length = end ? (size_t)(end - text.at) : text.len;
        struct slice line = slice_of(text.at, length);
        text = slice_from(text, end ? length + 1 : length);
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0 || line.at[0] == '#')
            continue;
        struct psk *psk = add(table);
        const char *wrong = psk ? read_line(line, psk) : "out of memory";
        if (wrong) {
            snprintf(why, why_size, "line %u: %s", number, wrong);
            return false;
        }
    }
    if (table->count == 0)
        snprintf(why, why_size, "has no key in it");
    return table->count > 0;
}

static bool all_different(const struct psk_table *table, char *why, size_t why_size)
{
    for (size_t i = 1; i < table->count; i++) {
        if (compare(&table->all[i - 1], &table->all[i]) == 0) {
            snprintf(why, why_size, "identity %.*s stands there twice",
                     (int)table->all[i].identity_len, (const char *)table->all[i].identity);
            return false;
        }
    }
    return true;
}

struct psk_table *psk_table_read(struct slice text, char *why, size_t why_size)
{
    struct psk_table *table = calloc(1, sizeof(*table));
    if (!table) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    bool good = read_lines(table, text, why, why_size);
    if (good) {
        qsort(table->all, table->count, sizeof(*table->all), compare);
        good = all_different(table, why, why_size);
    }
    if (good)
        return table;
    psk_table_free(table);
    return NULL;
}

void psk_table_free(struct psk_table *table)
{
    if (!table)
        return;
    if (table->all)
        explicit_bzero(table->all, table->room * sizeof(*table->all));
    free(table->all);
    free(table);
}

struct slice psk_table_find(const struct psk_table *table, struct slice identity)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct psk *psk = &table->all[middle];
        int order = compare_slices(identity, identity_of(psk));
        if (order == 0)
            return slice_of(psk->key, psk->key_len);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SLICE_EMPTY;
}

size_t psk_table_count(const struct psk_table *table)
{
    return table->count;
}
