/* settings: those of a test, from the environment, put in front of each sketch. */
#ifndef STUB_SETTINGS_H
#define STUB_SETTINGS_H

#include <stdio.h>
#include <stdlib.h>
#include <string>

#define WIFI_NAME     "test"
#define WIFI_PASSWORD "test"
#define BROKER        "127.0.0.1"
#define PORT          atoi(getenv("BROKER_PORT"))
#define INTERVAL_MS   500
#define AUTHORITY     text_in_file(getenv("BROKER_CA"))
#define CERTIFICATE   text_in_file(getenv("BOARD_CERTIFICATE"))
#define KEY           text_in_file(getenv("BOARD_KEY"))

/* Never freed: a sketch has no end. NULL for no file. */
static inline const char *text_in_file(const char *path)
{
    if (!path)
        return nullptr;
    FILE *file = fopen(path, "rb");
    if (!file)
        abort();
    std::string *text = new std::string;
    for (int byte; (byte = fgetc(file)) != EOF;)
        text->push_back((char)byte);
    fclose(file);
    return text->c_str();
}

#endif
