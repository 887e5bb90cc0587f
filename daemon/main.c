/* main: the command line of siotd. */
#include "base/hash.h"
#include "base/random.h"
#include "config/options.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/modules.h"
#include "daemon/settings.h"
#include "transports/keylog.h"
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: siotd -c FILE [-t] [-v] [--tls-keylog FILE]\n"
                            "       siotd --verify-store [DIRECTORY] [-c FILE]\n"
                            "       siotd --options | -V | -h\n";
static const char help[] =
    "\n"
    "  -c FILE     read the configuration from FILE\n"
    "  -t          check it, print who would get in where, and exit\n"
    "  -v          log at level debug, whatever the configuration says\n"
    "  -V          print the version and exit\n"
    "  --tls-keylog FILE\n"
    "              append the secrets of all TLS connections to FILE, for debugging: whoever has\n"
    "              that file can read everything\n"
    "  --verify-store [DIRECTORY]\n"
    "              look through the store in DIRECTORY, or in data_dir of FILE, without changing\n"
    "              it, and print what is wrong; exit status 1 when something is\n"
    "  --options   print every option of the configuration and exit\n"
    "  -h          print this and exit\n"
    "\n"
    "SIGHUP reads the configuration again, SIGUSR1 opens the log file again, SIGTERM stops.\n"
    "Exit status: 0 ok, 1 failure, 2 wrong usage, 3 bad configuration, 70 the store has failed.\n";

struct command {
    const char *path;   /* -c */
    const char *keylog; /* --tls-keylog */
    bool check, verbose, verify;
};

static void print_mistake(void *to, const char *line)
{
    fprintf(to, "%s\n", line);
}

/* Whether everything printed has reached its file. */
static int printed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? DAEMON_OK : DAEMON_FAILED;
}

/* The configuration, or NULL with every mistake printed. */
static struct config *load(const char *path)
{
    struct report report;
    report_init(&report, path);
    struct config *config = config_load(path, modules_schema(), &report);
    report_show(&report, print_mistake, stderr);
    report_clear(&report);
    return config;
}

static int verify(const char *folder)
{
    bool sound = durability_verify(stdout, folder);
    int status = printed();
    return sound ? status : DAEMON_FAILED;
}

static int verify_configured(const char *path)
{
    struct config *config = load(path);
    if (!config)
        return DAEMON_BAD_CONFIG;
    const struct process_settings *settings = config_section(config, "");
    int status = DAEMON_BAD_CONFIG;
    if (settings->data_dir)
        status = verify(settings->data_dir);
    else
        fprintf(stderr, "%s: without data_dir there is no store\n", path);
    config_free(config);
    return status;
}

static int check(const char *path)
{
    struct config *config = load(path);
    if (!config)
        return DAEMON_BAD_CONFIG;
    bool good = check_print(stdout, config);
    config_free(config);
    int status = printed();
    return good ? status : DAEMON_BAD_CONFIG;
}

static int run(const struct command *command)
{
    struct daemon daemon;
    enum daemon_status status = daemon_start(&daemon, command->path, command->verbose);
    int error = status == DAEMON_OK && command->keylog ? keylog_open(command->keylog) : 0;
    if (error) {
        fprintf(stderr, "siotd: --tls-keylog: %s: %s\n", command->keylog, strerror(-error));
        status = DAEMON_FAILED;
    }
    if (status == DAEMON_OK)
        daemon_run(&daemon);
    daemon_clear(&daemon);
    keylog_close();
    return status;
}

static int wrong_usage(const char *why)
{
    fprintf(stderr, "siotd: %s\n%s", why, usage);
    return DAEMON_USAGE;
}

static int print_help(void)
{
    printf("%s%s", usage, help);
    return printed();
}

static int print_version(void)
{
    printf("siotd %s (libuv %s)\n", SIOTD_VERSION, uv_version_string());
    return printed();
}

static int print_options(void)
{
    options_print(stdout, modules_schema());
    return printed();
}

int main(int argc, char **argv)
{
    enum { OPTIONS = 256, KEYLOG, VERIFY };
    static const struct option longs[] = {{"options", no_argument, NULL, OPTIONS},
                                          {"tls-keylog", required_argument, NULL, KEYLOG},
                                          {"verify-store", no_argument, NULL, VERIFY},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    struct command command = {.path = NULL};
    hash_start(random_u64()); /* before the first table: users of the configuration */
    for (int letter; (letter = getopt_long(argc, argv, "c:tvVh", longs, NULL)) != -1;) {
        switch (letter) {
        case 'c':
            command.path = optarg;
            break;
        case KEYLOG:
            command.keylog = optarg;
            break;
        case VERIFY:
            command.verify = true;
            break;
        case 't':
            command.check = true;
            break;
        case 'v':
            command.verbose = true;
            break;
        case 'V':
            return print_version();
        case 'h':
            return print_help();
        case OPTIONS:
            return print_options();
        default:
            fputs(usage, stderr);
            return DAEMON_USAGE;
        }
    }
    if (command.verify && optind + 1 == argc)
        return command.path ? wrong_usage("-c FILE and DIRECTORY exclude each other")
                            : verify(argv[optind]);
    if (optind < argc)
        return wrong_usage("there is an argument too many");
    if (!command.path)
        return wrong_usage("-c FILE is missing");
    if (command.verify)
        return verify_configured(command.path);
    return command.check ? check(command.path) : run(&command);
}
