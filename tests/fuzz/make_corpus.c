/* make_corpus: writes the good packets of tests/unit/protocols/mqtt_corpus.c as inputs for the
 * fuzzers.
 *
 * Usage: make_corpus FOLDER; files go to FOLDER/mqtt_decode and FOLDER/mqtt_properties. Inputs that
 * a fuzzer found stand beside them under names of their own and are left alone. */
#include "base/writer.h"
#include "mqtt_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void write_input(const char *folder, const char *target, const char *name, uint8_t first,
                        struct slice rest)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, target);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
    FILE *file = fopen(path, "wb");
    if (!file || fputc(first, file) == EOF || fwrite(rest.at, 1, rest.len, file) != rest.len ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* All packets of a version, as one connection would send them. */
static void write_connection(const char *folder, const struct mqtt_sample *samples, size_t count,
                             enum mqtt_version version)
{
    static uint8_t bytes[64 * 1024];
    struct writer w = writer_of(bytes, sizeof(bytes));
    char name[32];
    for (size_t i = 0; i < count; i++)
        if (samples[i].version == version)
            writer_bytes(&w, samples[i].packet);
    snprintf(name, sizeof(name), "connection-%d", (int)version);
    write_input(folder, "mqtt_decode", name, (uint8_t)(version - MQTT_3_1),
                slice_of(bytes, writer_len(&w)));
}

int main(int argc, char **argv)
{
    size_t packets, blocks;
    const struct mqtt_sample *samples = mqtt_corpus(&packets);
    const struct mqtt_block_sample *properties = mqtt_block_corpus(&blocks);
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    for (size_t i = 0; i < packets; i++)
        write_input(argv[1], "mqtt_decode", samples[i].name,
                    (uint8_t)(samples[i].version - MQTT_3_1), samples[i].packet);
    for (unsigned version = MQTT_3_1; version <= MQTT_5; version++)
        write_connection(argv[1], samples, packets, (enum mqtt_version)version);
    for (size_t i = 0; i < blocks; i++)
        write_input(argv[1], "mqtt_properties", properties[i].name, (uint8_t)properties[i].place,
                    properties[i].block);
    printf("%zu packets, %zu blocks of properties\n", packets, blocks);
    return 0;
}
