/* value: see value.h. Stands beside the way of a message: it is used at start and at reload. Pure
 * but for the memory of texts. */
#include "config/value.h"

#include "base/address.h"
#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LENGTH_MAX = 4096 }; /* of a TEXT whose row names no bound */

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                             {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit size_units[] = {{"TiB", UINT64_C(1) << 40},
                                         {"GiB", UINT64_C(1) << 30},
                                         {"MiB", UINT64_C(1) << 20},
                                         {"KiB", UINT64_C(1) << 10},
                                         {"", 1},
                                         {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum option_type type)
{
    if (type == OPTION_DURATION)
        return duration_units;
    return type == OPTION_SIZE ? size_units : count_units;
}

const char *value_type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_BOOL] = "bool",         [OPTION_COUNT] = "count", [OPTION_SIZE] = "size",
        [OPTION_DURATION] = "duration", [OPTION_TEXT] = "text",   [OPTION_CHOICE] = "choice",
        [OPTION_ADDRESS] = "address",
    };
    return names[type];
}

static void *member(const struct option_row *row, const void *settings)
{
    return (char *)settings + row->offset;
}

static size_t member_size(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_CHOICE:
        return sizeof(int);
    case OPTION_TEXT:
    case OPTION_ADDRESS:
        return sizeof(char *);
    default:
        return sizeof(uint64_t);
    }
}

static bool is_text(enum option_type type)
{
    return type == OPTION_TEXT || type == OPTION_ADDRESS;
}

/* The user's own words in an explanation, safe to print. */
static const char *shown(const struct option_row *row, const char *text, char to[LOG_ESCAPED_SIZE])
{
    return row->secret ? "the value" : log_escape(to, 96, slice_of_str(text));
}

/* ---- numbers ---- */

const char *value_show_number(enum option_type type, uint64_t number, char to[VALUE_TEXT_SIZE])
{
    const struct unit *unit = units_of(type);
    if (number == OPTION_UNLIMITED) {
        snprintf(to, VALUE_TEXT_SIZE, "unlimited");
        return to;
    }
    if (number == 0 && type == OPTION_DURATION) {
        snprintf(to, VALUE_TEXT_SIZE, "0s");
        return to;
    }
    while (unit[1].name && (number == 0 || number % unit->factor != 0))
        unit++;
    snprintf(to, VALUE_TEXT_SIZE, "%" PRIu64 "%s", number / unit->factor, unit->name);
    return to;
}

/* Digits and the unit behind them; false when the text has another shape. What does not fit
 * into 64 bits is UINT64_MAX - 1, which is above every row's maximum. */
static bool scan_number(const char *text, const struct unit *units, uint64_t *number)
{
    uint64_t value = 0;
    bool huge = false;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        huge = huge || value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (at == text)
        return false;
    while (units->name && strcmp(units->name, at) != 0)
        units++;
    if (!units->name)
        return false;
    huge = huge || value > (UINT64_MAX - 1) / units->factor;
    *number = huge ? UINT64_MAX - 1 : value * units->factor;
    return true;
}

static void explain_shape(const struct option_row *row, const char *text, char why[VALUE_WHY_SIZE])
{
    static const char *const shapes[] = {
        [OPTION_COUNT] = "a whole number",
        [OPTION_SIZE] = "a size: write bytes, or a whole number and KiB, MiB, GiB or TiB",
        [OPTION_DURATION] = "a duration: write a whole number and ms, s, m, h or d",
    };
    char words[LOG_ESCAPED_SIZE];
    bool unlimited = strcmp(text, "unlimited") == 0;
    snprintf(why, VALUE_WHY_SIZE, "%s is not %s%s", shown(row, text, words), shapes[row->type],
             unlimited        ? "; this one cannot be unlimited"
             : row->unlimited ? ", or unlimited"
                              : "");
}

static bool read_number(const struct option_row *row, const char *text, uint64_t *to,
                        char why[VALUE_WHY_SIZE])
{
    const struct unit *units = units_of(row->type);
    char words[LOG_ESCAPED_SIZE], bound[VALUE_TEXT_SIZE];
    uint64_t number;
    if (row->unlimited && strcmp(text, "unlimited") == 0) {
        *to = OPTION_UNLIMITED;
        return true;
    }
    bool negative = text[0] == '-' && scan_number(text + 1, units, &number);
    if (!negative && !scan_number(text, units, &number)) {
        explain_shape(row, text, why);
        return false;
    }
    if (negative || number < row->min) {
        snprintf(why, VALUE_WHY_SIZE, "%s is below %s", shown(row, text, words),
                 value_show_number(row->type, row->min, bound));
        return false;
    }
    if (number > row->max) {
        snprintf(why, VALUE_WHY_SIZE, "%s is above %s", shown(row, text, words),
                 value_show_number(row->type, row->max, bound));
        return false;
    }
    *to = number;
    return true;
}

/* ---- words ---- */

static bool read_bool(const struct option_row *row, const char *text, bool *to,
                      char why[VALUE_WHY_SIZE])
{
    char words[LOG_ESCAPED_SIZE];
    *to = strcmp(text, "true") == 0;
    if (*to || strcmp(text, "false") == 0)
        return true;
    snprintf(why, VALUE_WHY_SIZE, "%s is neither true nor false", shown(row, text, words));
    return false;
}

static bool read_choice(const struct option_row *row, const char *text, int *to,
                        char why[VALUE_WHY_SIZE])
{
    size_t count = 0;
    char words[LOG_ESCAPED_SIZE], known[VALUE_TEXT_SIZE] = "";
    for (; row->choices[count]; count++) {
        if (strcmp(row->choices[count], text) == 0) {
            *to = (int)count;
            return true;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", count ? ", " : "",
                 row->choices[count]);
    }
    const char *nearest = text_nearest(text, row->choices, count);
    snprintf(why, VALUE_WHY_SIZE, "%s is none of %s%s%s%s", shown(row, text, words), known,
             nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return false;
}

static bool check_text(const struct option_row *row, const char *text, char why[VALUE_WHY_SIZE])
{
    size_t length = strlen(text), max = row->max ? row->max : TEXT_LENGTH_MAX;
    if (length < row->min || length > max) {
        snprintf(why, VALUE_WHY_SIZE, "has %zu bytes, must have %s %" PRIu64, length,
                 length > max ? "at most" : "at least", length > max ? (uint64_t)max : row->min);
        return false;
    }
    if (!utf8_clean(slice_of_str(text))) {
        snprintf(why, VALUE_WHY_SIZE, "contains a control character");
        return false;
    }
    return !row->valid || row->valid(text, why, VALUE_WHY_SIZE);
}

static bool check_address(const struct option_row *row, const char *text, char why[VALUE_WHY_SIZE])
{
    struct address address;
    char words[LOG_ESCAPED_SIZE], reason[VALUE_TEXT_SIZE];
    if (!address_read(text, &address, reason, sizeof(reason))) {
        snprintf(why, VALUE_WHY_SIZE, "%s %s", shown(row, text, words), reason);
        return false;
    }
    return check_text(row, text, why);
}

static bool read_text(const struct option_row *row, const char *text, char **to,
                      char why[VALUE_WHY_SIZE])
{
    bool good =
        row->type == OPTION_ADDRESS ? check_address(row, text, why) : check_text(row, text, why);
    char *copy = good ? strdup(text) : NULL;
    if (good && !copy)
        snprintf(why, VALUE_WHY_SIZE, "out of memory");
    if (!copy)
        return false;
    free(*to);
    *to = copy;
    return true;
}

bool value_read(const struct option_row *row, const char *text, void *settings,
                char why[VALUE_WHY_SIZE])
{
    void *to = member(row, settings);
    switch (row->type) {
    case OPTION_BOOL:
        return read_bool(row, text, to, why);
    case OPTION_CHOICE:
        return read_choice(row, text, to, why);
    case OPTION_TEXT:
    case OPTION_ADDRESS:
        return read_text(row, text, to, why);
    default:
        return read_number(row, text, to, why);
    }
}

const char *value_show(const struct option_row *row, const void *settings, char to[VALUE_TEXT_SIZE])
{
    const void *from = member(row, settings);
    const char *text = is_text(row->type) ? *(char *const *)from : NULL;
    if (row->secret)
        snprintf(to, VALUE_TEXT_SIZE, "***");
    else if (row->type == OPTION_BOOL)
        snprintf(to, VALUE_TEXT_SIZE, "%s", *(const bool *)from ? "true" : "false");
    else if (row->type == OPTION_CHOICE)
        snprintf(to, VALUE_TEXT_SIZE, "%s", row->choices[*(const int *)from]);
    else if (is_text(row->type))
        snprintf(to, VALUE_TEXT_SIZE, "%s", !text ? "(none)" : text[0] == '\0' ? "\"\"" : text);
    else
        value_show_number(row->type, *(const uint64_t *)from, to);
    return to;
}

bool value_equal(const struct option_row *row, const void *a, const void *b)
{
    const void *left = member(row, a), *right = member(row, b);
    if (!is_text(row->type))
        return memcmp(left, right, member_size(row->type)) == 0;
    const char *left_text = *(char *const *)left, *right_text = *(char *const *)right;
    if (!left_text || !right_text)
        return left_text == right_text;
    return strcmp(left_text, right_text) == 0;
}

void value_swap(const struct option_row *row, void *a, void *b)
{
    unsigned char kept[sizeof(uint64_t)];
    size_t size = member_size(row->type);
    void *left = member(row, a), *right = member(row, b);
    memcpy(kept, left, size);
    memcpy(left, right, size);
    memcpy(right, kept, size);
}

void value_clear(const struct option_row *row, void *settings)
{
    if (!is_text(row->type))
        return;
    char **text = member(row, settings);
    free(*text);
    *text = NULL;
}
