/* passwd: siotctl passwd, users and passwords in Mosquitto's file format. */
#include "siotctl/say.h"
#include "siotctl/secret.h"
#include "siotctl/userfile.h"
#include "siotctl/verbs.h"
#include "transports/password.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: siotctl passwd [--stdin] [--pbkdf2 [--iterations N]] FILE USER\n"
    "       siotctl passwd -D FILE USER\n"
    "\n"
    "  --stdin          read the password from the standard input, one line; else ask for it\n"
    "  --pbkdf2         write what Mosquitto 2.0 can read; default: argon2id\n"
    "  --iterations N   of PBKDF2, 1000 to 10000000; default: 210000\n"
    "  -D               delete the user\n"
    "\n"
    "The file is made if there is none.\n";

enum { USER_LEN_MAX = 65535, ITERATIONS_MIN = 1000 };

struct order {
    bool from_stdin, pbkdf2, delete;
    unsigned iterations;
    const char *path, *user;
};

static int make_record(const struct order *order, char record[PASSWORD_RECORD_SIZE])
{
    char secret[SECRET_SIZE];
    size_t len;
    int status =
        order->from_stdin ? secret_from_stdin(secret, &len) : secret_ask(order->user, secret, &len);
    if (status != ENDED_WELL)
        return status;
    int failed = order->pbkdf2
                     ? password_make_pbkdf2(record, slice_of(secret, len), order->iterations)
                     : password_make_argon2id(record, slice_of(secret, len));
    explicit_bzero(secret, sizeof(secret));
    return failed ? say_failed("the password could not be hashed: %s", strerror(-failed))
                  : ENDED_WELL;
}

static int set(struct userfile *file, const struct order *order, const char *record)
{
    bool known = userfile_has(file, order->user);
    if (order->delete &&!known)
        return say_failed("%s: there is no user %s", order->path, order->user);
    int status = userfile_set(file, order->user, record);
    if (status == ENDED_WELL)
        printf("%s: user %s %s\n", order->path, order->user,
               order->delete ? "deleted"
               : known       ? "has a new password"
                             : "added");
    return status;
}

static int carry_out(const struct order *order)
{
    struct userfile file;
    char record[PASSWORD_RECORD_SIZE];
    int status = order->delete ? ENDED_WELL : make_record(order, record);
    if (status == ENDED_WELL)
        status = userfile_open(&file, order->path);
    if (status != ENDED_WELL)
        return status;
    status = set(&file, order, order->delete ? NULL : record);
    userfile_close(&file);
    return status == ENDED_WELL ? say_printed() : status;
}

static int misused(void)
{
    fputs(usage, stderr);
    return ENDED_MISUSED;
}

static int take_iterations(struct order *order, const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || text[0] < '0' || text[0] > '9' || number < ITERATIONS_MIN ||
        number > PASSWORD_PBKDF2_ITERATIONS_MAX)
        return say_misused("--iterations takes a number of %d to %d", ITERATIONS_MIN,
                           PASSWORD_PBKDF2_ITERATIONS_MAX);
    order->iterations = (unsigned)number;
    return ENDED_WELL;
}

int passwd_run(int argc, char **argv)
{
    static const struct option longs[] = {
        {"stdin", no_argument, NULL, 's'},  {"pbkdf2", no_argument, NULL, 'p'},
        {"delete", no_argument, NULL, 'D'}, {"iterations", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},   {NULL, 0, NULL, 0}};
    struct order order = {.iterations = 0};
    for (int letter; (letter = getopt_long(argc, argv, "Dh", longs, NULL)) != -1;) {
        switch (letter) {
        case 's':
            order.from_stdin = true;
            break;
        case 'p':
            order.pbkdf2 = true;
            break;
        case 'D':
            order.delete = true;
            break;
        case 'i':
            if (take_iterations(&order, optarg) != ENDED_WELL)
                return ENDED_MISUSED;
            break;
        case 'h':
            fputs(usage, stdout);
            return say_printed();
        default:
            return misused();
        }
    }
    if (argc - optind != 2 || (order.iterations && !order.pbkdf2) ||
        (order.delete &&(order.from_stdin || order.pbkdf2)))
        return misused();
    order.path = argv[optind];
    order.user = argv[optind + 1];
    if (!order.iterations)
        order.iterations = PASSWORD_PBKDF2_ITERATIONS;
    const char *mistake = userfile_name_mistake(order.user, USER_LEN_MAX);
    return mistake ? say_misused("user: %s", mistake) : carry_out(&order);
}
