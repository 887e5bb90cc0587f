/* psk: siotctl psk, devices and their pre-shared keys, "identity:hexkey" a line, as Mosquitto has
 * them too. Keys are drawn, never chosen: 256 random bits (RFC 7925 section 4.2 asks for 128). */
#include "base/random.h"
#include "siotctl/say.h"
#include "siotctl/userfile.h"
#include "siotctl/verbs.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: siotctl psk [--show] FILE IDENTITY\n"
    "       siotctl psk -D FILE IDENTITY\n"
    "\n"
    "  --show   print the new line, to be put into the device; else it only stands in FILE\n"
    "  -D       delete the identity\n"
    "\n"
    "The file is made if there is none.\n";

enum { IDENTITY_LEN_MAX = 128, KEY_LEN = 32, KEY_SIZE = 2 * KEY_LEN + 1 };

struct order {
    bool show, delete;
    const char *path, *identity;
};

static void draw(char hex[KEY_SIZE])
{
    uint8_t key[KEY_LEN];
    random_bytes(key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++)
        sprintf(hex + 2 * i, "%02x", key[i]);
    explicit_bzero(key, sizeof(key));
}

static int delete_identity(struct userfile *file, const struct order *order)
{
    if (!userfile_has(file, order->identity))
        return say_failed("%s: there is no identity %s", order->path, order->identity);
    int status = userfile_set(file, order->identity, NULL);
    if (status == ENDED_WELL)
        printf("%s: identity %s deleted\n", order->path, order->identity);
    return status;
}

static int add(struct userfile *file, const struct order *order)
{
    char hex[KEY_SIZE];
    if (userfile_has(file, order->identity))
        return say_failed("%s: there is an identity %s already; -D deletes it", order->path,
                          order->identity);
    draw(hex);
    int status = userfile_set(file, order->identity, hex);
    if (status == ENDED_WELL && order->show)
        printf("%s:%s\n", order->identity, hex);
    else if (status == ENDED_WELL)
        printf("%s: identity %s added\n", order->path, order->identity);
    explicit_bzero(hex, sizeof(hex));
    return status;
}

int psk_run(int argc, char **argv)
{
    static const struct option longs[] = {{"show", no_argument, NULL, 's'},
                                          {"delete", no_argument, NULL, 'D'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct order order = {.show = false};
    struct userfile file;
    for (int letter; (letter = getopt_long(argc, argv, "Dh", longs, NULL)) != -1;) {
        if (letter == 'h') {
            fputs(usage, stdout);
            return say_printed();
        }
        if (letter == '?') {
            fputs(usage, stderr);
            return ENDED_MISUSED;
        }
        order.show |= letter == 's';
        order.delete |= letter == 'D';
    }
    if (argc - optind != 2 || (order.show && order.delete)) {
        fputs(usage, stderr);
        return ENDED_MISUSED;
    }
    order.path = argv[optind];
    order.identity = argv[optind + 1];
    const char *mistake = userfile_name_mistake(order.identity, IDENTITY_LEN_MAX);
    if (mistake)
        return say_misused("identity: %s", mistake);
    int status = userfile_open(&file, order.path);
    if (status != ENDED_WELL)
        return status;
    status = order.delete ? delete_identity(&file, &order) : add(&file, &order);
    userfile_close(&file);
    return status == ENDED_WELL ? say_printed() : status;
}
