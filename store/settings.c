/* settings: the rows of the `store:` section; see store.h. */
#include "store/store.h"

#define AT(member) offsetof(struct store_settings, member)

static const struct option_row rows[] = {
    {.name = "size_limit",
     .type = OPTION_SIZE,
     .offset = AT(size_limit),
     .fallback = "unlimited",
     .min = 1048576,
     .max = UINT64_C(1) << 43,
     .unlimited = true,
     .help =
         "siotd.db grows to this; then nothing more is acknowledged that would have to be kept"},
    {.name = "cache_size",
     .type = OPTION_SIZE,
     .offset = AT(cache_size),
     .fallback = "64MiB",
     .min = 1048576,
     .max = UINT64_C(1) << 36,
     .help = "memory for pages of siotd.db"},
};

const struct option_table store_options = OPTION_TABLE("store", rows, struct store_settings);
