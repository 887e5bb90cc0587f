/* index: what an authority has issued and revoked. The whole of it is read, changed and written
 * again while the folder is locked. */
#include "siotctl/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char heading[] = "# siotctl pki index\n";

void index_serial_text(const uint8_t serial[INDEX_SERIAL_LEN], char text[2 * INDEX_SERIAL_LEN + 1])
{
    for (size_t i = 0; i < INDEX_SERIAL_LEN; i++)
        sprintf(text + 2 * i, "%02x", serial[i]);
}

void index_time_text(time_t when, char text[INDEX_TIME_SIZE])
{
    struct tm tm;
    gmtime_r(&when, &tm);
    if (strftime(text, INDEX_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, INDEX_TIME_SIZE, "-");
}

static bool parse_serial(const char *text, uint8_t serial[INDEX_SERIAL_LEN])
{
    if (strlen(text) != 2 * INDEX_SERIAL_LEN)
        return false;
    for (size_t i = 0; i < INDEX_SERIAL_LEN; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'}, *end;
        if (pair[0] == '+' || pair[0] == '-' || pair[0] == ' ')
            return false;
        serial[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end)
            return false;
    }
    return true;
}

static bool parse_time(const char *text, time_t *when)
{
    struct tm tm = {.tm_year = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    *when = timegm(&tm);
    return end && *end == '\0';
}

static bool parse_entry(const char *line, struct index_entry *entry)
{
    char state[8], serial[34], until[22], kind[8], name[66], since[22] = "";
    int used = 0;
    *entry = (struct index_entry){.revoked = false};
    int fields = sscanf(line, "%7s %33s %21s %7s %65s%n %21s%n", state, serial, until, kind, name,
                        &used, since, &used);
    if (fields < 5 || line[used] != '\0')
        return false;
    entry->revoked = strcmp(state, "revoked") == 0;
    entry->server = strcmp(kind, "server") == 0;
    if ((!entry->revoked && strcmp(state, "valid") != 0) || fields != (entry->revoked ? 6 : 5) ||
        (!entry->server && strcmp(kind, "client") != 0) || name_mistake(name))
        return false;
    strcpy(entry->name, name);
    return parse_serial(serial, entry->serial) && parse_time(until, &entry->until) &&
           (!entry->revoked || parse_time(since, &entry->since));
}

int index_add(struct index *index, const struct index_entry *entry)
{
    struct index_entry *more =
        reallocarray(index->entries, index->count + 1, sizeof(index->entries[0]));
    if (!more)
        return -ENOMEM;
    index->entries = more;
    index->entries[index->count++] = *entry;
    return 0;
}

static int parse_line(struct index *index, char *line)
{
    struct index_entry entry;
    int used = 0;
    if (line[0] == '#' || line[0] == '\0')
        return 0;
    if (sscanf(line, "crl %lu%n", &index->crl_number, &used) == 1)
        return line[used] == '\0' ? 0 : -EINVAL;
    return parse_entry(line, &entry) ? index_add(index, &entry) : -EINVAL;
}

int index_parse(struct index *index, struct slice text, unsigned *line)
{
    *index = (struct index){0, NULL, 0};
    *line = 0;
    char *copy = strndup((const char *)text.at, text.len), *rest = copy;
    int failed = copy ? 0 : -ENOMEM;
    for (char *at; !failed && (at = strsep(&rest, "\n"));) {
        ++*line;
        failed = parse_line(index, at);
    }
    /* It is written whole: a text that is cut short is not ours. */
    if (!failed && (!slice_starts_with(text, slice_of_str(heading)) ||
                    text.at[text.len - 1] != '\n' || memchr(text.at, '\0', text.len)))
        failed = -EINVAL;
    free(copy);
    if (failed)
        index_clear(index);
    return failed;
}

char *index_format(const struct index *index)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    fprintf(to, "%scrl %lu\n", heading, index->crl_number);
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        char serial[2 * INDEX_SERIAL_LEN + 1], until[INDEX_TIME_SIZE], since[INDEX_TIME_SIZE];
        index_serial_text(entry->serial, serial);
        index_time_text(entry->until, until);
        index_time_text(entry->since, since);
        fprintf(to, "%s %s %s %s %s%s%s\n", entry->revoked ? "revoked" : "valid", serial, until,
                entry->server ? "server" : "client", entry->name, entry->revoked ? " " : "",
                entry->revoked ? since : "");
    }
    bool failed = ferror(to) != 0;
    if (fclose(to) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

void index_clear(struct index *index)
{
    free(index->entries);
    *index = (struct index){0, NULL, 0};
}

struct index_entry *index_find(const struct index *index, const char *name_or_serial)
{
    uint8_t serial[INDEX_SERIAL_LEN];
    for (size_t i = index->count; i-- > 0;)
        if (strcmp(index->entries[i].name, name_or_serial) == 0)
            return &index->entries[i];
    for (size_t i = 0; parse_serial(name_or_serial, serial) && i < index->count; i++)
        if (memcmp(index->entries[i].serial, serial, sizeof(serial)) == 0)
            return &index->entries[i];
    return NULL;
}

struct index_entry *index_in_force(const struct index *index, const char *name, time_t now)
{
    for (size_t i = index->count; i-- > 0;) {
        struct index_entry *entry = &index->entries[i];
        if (!entry->revoked && entry->until > now && strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}
