/* topics: the names that messages, filters and retained messages go by.
 *
 * Numbers stand in names with a fixed count of digits, so that a frame of a flow can be given
 * another topic by writing digits into it. */
#ifndef SIOTD_BENCH_TOPICS_H
#define SIOTD_BENCH_TOPICS_H

#include "bench/flow.h"

/* Every topic or filter made here is shorter. */
enum { TOPICS_MAX = 64 };

/* bench/pair/00017: the topic of pair n. Returns the length. */
size_t topics_pair(uint32_t n, char *text);

/* The one topic of fan-in and of fan-out. */
size_t topics_fan(uint32_t n, char *text);

/* Filter n of the many: an even one names device n / 2 exactly, the odd one after it matches the
 * same device with a wildcard, of which there are three kinds in turn. */
size_t topics_filter(uint32_t n, char *text);

/* The topic of a device, which two filters match. */
size_t topics_device(uint32_t device, char *text);

/* Writes a device's numbers into a topic that topics_device made. */
void topics_set_device(uint8_t *topic, uint32_t device);

/* bench/retained/0000017/state. */
size_t topics_retained(uint32_t n, char *text);
void topics_set_retained(uint8_t *topic, uint32_t n);
size_t topics_all_retained(uint32_t n, char *text);

#endif
