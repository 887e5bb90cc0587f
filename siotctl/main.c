/* main: siotctl, the operator's tool: one verb a file. */
#include "base/text.h"
#include "siotctl/say.h"
#include "siotctl/verbs.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"pki", pki_run, "a certificate authority in a folder"},
    {"passwd", passwd_run, "users and their passwords"},
    {"psk", psk_run, "devices and their pre-shared keys"},
    {"acl", acl_run, "who may do what, and which line says so"},
    {"pub", pub_run, "publish, by any protocol"},
    {"sub", sub_run, "subscribe, by any protocol"},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static void print_usage(FILE *to)
{
    fputs("usage: siotctl VERB ...\n\n", to);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
    fputs("\nsiotctl VERB --help says more. Exit status: 0 ok, 1 failure, 2 wrong usage,\n"
          "3 when sub has got nothing in time.\n",
          to);
}

static int unknown(const char *name)
{
    const char *names[VERB_COUNT];
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i].name;
    const char *nearest = text_nearest(name, names, VERB_COUNT);
    return say_misused("there is no verb %s%s%s", name, nearest ? "; did you mean " : "",
                       nearest ? nearest : "");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return ENDED_MISUSED;
    }
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return say_printed();
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        puts("siotctl " SIOTD_VERSION);
        return say_printed();
    }
    return unknown(argv[1]);
}
