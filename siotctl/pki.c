/* pki: the command line of siotctl pki. */
#include "siotctl/pki.h"

#include "base/text.h"
#include "siotctl/say.h"
#include "siotctl/verbs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: siotctl pki init             [--name NAME] [--ed25519 | --rsa BITS] [--days N]\n"
    "       siotctl pki issue NAME       [--server] [--san NAME]... [--ed25519 | --rsa BITS]"
    " [--days N]\n"
    "       siotctl pki sign FILE.csr    [--server] [--san NAME]... [--name NAME] [--days N]\n"
    "       siotctl pki revoke NAME | SERIAL\n"
    "       siotctl pki crl              [--crl-days N]\n"
    "       siotctl pki list\n"
    "       siotctl pki verify NAME | FILE.pem\n"
    "\n"
    "  --dir DIR        the authority's folder; default: pki\n"
    "  --server         for a broker; otherwise for a client\n"
    "  --san NAME       DNS:HOST, IP:ADDRESS or URI:URI; default: DNS: and the name\n"
    "  --name NAME      of the authority, or of the certificate where the request's is not wanted\n"
    "  --ed25519        a key of that kind; default: EC P-256\n"
    "  --rsa BITS       a key of RSA, 2048 or 3072 bits\n"
    "  --days N         how long it is valid; default: 825, an authority 3650\n"
    "  --crl-days N     how long the revocation list is good for; default: 365\n";

enum takes { TAKES_NOTHING, TAKES_SUBJECT };

static const struct {
    const char *name;
    enum takes takes;
    const char *letters; /* of the options that it knows, besides --dir */
    int (*run)(const struct pki_options *options);
} verbs[] = {
    {"init", TAKES_NOTHING, "nerDc", pki_init}, {"issue", TAKES_SUBJECT, "saerDc", pki_issue},
    {"sign", TAKES_SUBJECT, "sanDc", pki_sign}, {"revoke", TAKES_SUBJECT, "c", pki_revoke},
    {"crl", TAKES_NOTHING, "c", pki_crl},       {"list", TAKES_NOTHING, "", pki_list},
    {"verify", TAKES_SUBJECT, "", pki_verify},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

/* A number of 1 to max; 0 when it is none. */
static unsigned number_of(const char *text, unsigned max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= max ? (unsigned)number : 0;
}

static int take_alt(struct pki_options *options, const char *text)
{
    const char *mistake = name_alt_mistake(text);
    if (mistake)
        return say_misused("--san %s: %s", text, mistake);
    if (options->alt_count == NAME_ALT_COUNT_MAX)
        return say_misused("--san: %d names are the most", NAME_ALT_COUNT_MAX);
    options->alt[options->alt_count++] = text;
    return ENDED_WELL;
}

static int take_days(unsigned *days, const char *option, const char *text)
{
    *days = number_of(text, PKI_DAYS_MAX);
    return *days ? ENDED_WELL : say_misused("%s takes a number of 1 to %d", option, PKI_DAYS_MAX);
}

static int take(struct pki_options *options, int letter, const char *value)
{
    switch (letter) {
    case 'd':
        options->dir = value;
        break;
    case 'n':
        options->name = value;
        break;
    case 's':
        options->server = true;
        break;
    case 'a':
        return take_alt(options, value);
    case 'e':
        options->kind = KEY_ED25519;
        break;
    case 'r':
        options->kind = KEY_RSA;
        options->bits = (int)number_of(value, 3072);
        if (options->bits != 2048 && options->bits != 3072)
            return say_misused("--rsa takes 2048 or 3072");
        break;
    case 'D':
        return take_days(&options->days, "--days", value);
    case 'c':
        return take_days(&options->crl_days, "--crl-days", value);
    }
    return ENDED_WELL;
}

static int parse(int argc, char **argv, size_t verb, struct pki_options *options)
{
    static const struct option longs[] = {{"dir", required_argument, NULL, 'd'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"server", no_argument, NULL, 's'},
                                          {"san", required_argument, NULL, 'a'},
                                          {"ed25519", no_argument, NULL, 'e'},
                                          {"rsa", required_argument, NULL, 'r'},
                                          {"days", required_argument, NULL, 'D'},
                                          {"crl-days", required_argument, NULL, 'c'},
                                          {NULL, 0, NULL, 0}};
    int which;
    for (int letter; (letter = getopt_long(argc, argv, "", longs, &which)) != -1;) {
        if (letter == '?')
            return ENDED_MISUSED; /* getopt has said why */
        if (letter != 'd' && !strchr(verbs[verb].letters, letter))
            return say_misused("pki %s does not know --%s", verbs[verb].name, longs[which].name);
        int status = take(options, letter, optarg);
        if (status != ENDED_WELL)
            return status;
    }
    if (optind < argc && verbs[verb].takes == TAKES_SUBJECT)
        options->subject = argv[optind++];
    if (optind < argc)
        return say_misused("pki %s: there is an argument too many: %s", verbs[verb].name,
                           argv[optind]);
    if (verbs[verb].takes == TAKES_SUBJECT && !options->subject)
        return say_misused("pki %s: what? siotctl pki --help", verbs[verb].name);
    return ENDED_WELL;
}

static int unknown(const char *name)
{
    const char *names[VERB_COUNT];
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i].name;
    const char *nearest = text_nearest(name, names, VERB_COUNT);
    return say_misused("there is no pki %s%s%s", name, nearest ? "; did you mean " : "",
                       nearest ? nearest : "");
}

/* Behind pki, or behind the verb. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && i <= 2; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int pki_run(int argc, char **argv)
{
    if (asks_for_help(argc, argv)) {
        fputs(usage, stdout);
        return say_printed();
    }
    if (argc < 2) {
        fputs(usage, stderr);
        return ENDED_MISUSED;
    }
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        struct pki_options options = {
            .dir = "pki", .crl_days = PKI_CRL_DAYS, .kind = KEY_EC, .now = time(NULL)};
        if (strcmp(argv[1], verbs[verb].name) != 0)
            continue;
        int status = parse(argc - 1, argv + 1, verb, &options);
        if (status == ENDED_WELL)
            status = verbs[verb].run(&options);
        return status == ENDED_WELL ? say_printed() : status;
    }
    return unknown(argv[1]);
}

/* The name itself, by which a server may be reached and a client is known. A server may be named
 * by its address; a client's name is a name even where it looks like one. */
static void make_own(struct pki_own_name *own, const char *name, bool server)
{
    snprintf(own->text, sizeof(own->text), "IP:%s", name);
    if (!server || name_alt_mistake(own->text))
        snprintf(own->text, sizeof(own->text), "DNS:%s", name);
    own->alt[0] = own->text;
}

int pki_plan(const struct pki_options *options, const struct authority *authority, const char *name,
             struct pki_own_name *own, struct certificate_plan *plan)
{
    const struct certificate *signer = &authority->certificate;
    unsigned days = options->days ? options->days : PKI_CERTIFICATE_DAYS;
    make_own(own, name, options->server);
    *plan = (struct certificate_plan){
        .use = options->server ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = name,
        .alt = options->alt_count ? options->alt : own->alt,
        .alt_count = options->alt_count ? options->alt_count : 1,
        .from = options->now - AUTHORITY_BACKDATE_S,
        .until = options->now + (time_t)days * AUTHORITY_DAY_S,
    };
    if (signer->until <= options->now)
        return say_failed("%s/ca.pem has expired", authority->path);
    if (plan->until > signer->until && options->days)
        return say_failed("--days %u: the authority itself ends before", options->days);
    if (plan->until > signer->until)
        plan->until = signer->until;
    if (plan->from < signer->from)
        plan->from = signer->from;
    return ENDED_WELL;
}

int pki_is_free(const struct authority *authority, const char *name, time_t now)
{
    static const char *const suffixes[] = {"pem", "key"};
    for (size_t i = 0; i < 2; i++) {
        char file[NAME_SIZE + 8];
        snprintf(file, sizeof(file), "%s.%s", name, suffixes[i]);
        if (folder_has(&authority->folder, file))
            return say_failed("%s/%s exists; siotctl pki revoke %s puts it aside", authority->path,
                              file, name);
    }
    if (index_in_force(&authority->index, name, now))
        return say_failed("%s has a certificate already; siotctl pki revoke %s ends it", name,
                          name);
    return ENDED_WELL;
}
