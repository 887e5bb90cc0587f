/* mqtt_corpus: good packets of MQTT clients in every version, form and option.
 *
 * One list for two uses: tests cut and bend these packets at every byte, and tests/fuzz starts from
 * them (make_corpus writes them to files). */
#ifndef SIOTD_TESTS_MQTT_CORPUS_H
#define SIOTD_TESTS_MQTT_CORPUS_H

#include "base/slice.h"
#include "protocols/mqtt/wire.h"

struct mqtt_sample {
    char name[48]; /* unique, fit for a file name */
    enum mqtt_version version;
    struct slice packet;
};

/* The list, written on the first call; static. */
const struct mqtt_sample *mqtt_corpus(size_t *count);

/* Good property blocks with their length, and the place they belong to (mqtt_type, or 0 for a
 * will). */
struct mqtt_block_sample {
    char name[48];
    unsigned place;
    struct slice block;
};
const struct mqtt_block_sample *mqtt_block_corpus(size_t *count);

#endif
