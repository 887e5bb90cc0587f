/* value: one setting, between the text a user wrote and the member of a settings struct.
 *
 * Units are always written out: 250ms 10s 5m 2h 7d, 512 16KiB 1MiB 2GiB 1TiB. 0 is a number like
 * any other; no limit at all is the word "unlimited", where the row allows it. */
#ifndef SIOTD_CONFIG_VALUE_H
#define SIOTD_CONFIG_VALUE_H

#include "config/option.h"

/* Room for every explanation and every value as text. */
enum { VALUE_WHY_SIZE = 512, VALUE_TEXT_SIZE = 256 };

/* Reads `text` into the row's member of `settings`, freeing what text stood there. Returns false
 * with the member unchanged and a reason in `why` ("90000s is above 65535s"). */
bool value_read(const struct option_row *row, const char *text, void *settings,
                char why[VALUE_WHY_SIZE]);

/* The member's value as a user would write it, "***" when it is secret, cut at VALUE_TEXT_SIZE;
 * returns `to`. */
const char *value_show(const struct option_row *row, const void *settings,
                       char to[VALUE_TEXT_SIZE]);

/* A number of the row's type as a user would write it: "1MiB", "65535s"; returns `to`. */
const char *value_show_number(enum option_type type, uint64_t number, char to[VALUE_TEXT_SIZE]);

/* Whether the row's member is the same in both. */
bool value_equal(const struct option_row *row, const void *a, const void *b);

/* Exchanges the row's member between two settings structs, ownership included. */
void value_swap(const struct option_row *row, void *a, void *b);

/* Frees what the member owns. */
void value_clear(const struct option_row *row, void *settings);

/* "count", "duration": what kind of value the type is, for messages and lists. */
const char *value_type_name(enum option_type type);

#endif
