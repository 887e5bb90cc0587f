/* dtls_tunnel: lets a test client that speaks plain UDP speak DTLS.
 *
 *   dtls_tunnel --connect HOST:PORT [--psk IDENTITY:HEXKEY | --ca FILE [--cert FILE --key FILE]]
 *               [--version 1.2|1.3] [--cid] [--groups NAME[,NAME...]] [--mtu BYTES] [--patience S]
 *
 * Shakes hands at once and says "ready PORT": datagrams sent to 127.0.0.1:PORT leave as one
 * record each, and those that come back go to whoever has sent there last. It is one device, with
 * one association. Standard input takes orders, a line each:
 *
 *   rebind   from now on another source port, as behind a NAT that has forgotten; answers "rebound"
 *   vanish   ends without a goodbye
 *   (end)    says goodbye and ends
 *
 * The DTLS is that of siotctl (siotctl/secrecy). */
#include "siotctl/secrecy.h"
#include "transports/tls_groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DATAGRAM = 65536, PATIENCE_S = 20, MISUSED = 2 };

struct tunnel {
    struct order order;
    int patience_s; /* with the handshake */
    struct secrecy *secrecy;
    int wire, near;              /* towards siotd, towards the client; -1 when not open */
    struct sockaddr_in far;      /* siotd */
    struct sockaddr_in customer; /* who has sent to us last; port 0: nobody yet */
    uint8_t datagram[DATAGRAM];
};

static int failed(const char *what)
{
    fprintf(stderr, "dtls_tunnel: %s\n", what);
    return EXIT_FAILURE;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the command line ---- */

static bool read_address(struct tunnel *t, char *text)
{
    char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    *colon = 0;
    t->order.host = text;
    t->far = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(colon + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return strcmp(text, "localhost") == 0 || inet_pton(AF_INET, text, &t->far.sin_addr) == 1;
}

static bool read_key(struct order *order, char *text)
{
    char *colon = strchr(text, ':');
    if (!colon)
        return false;
    *colon = 0;
    order->psk_identity = text;
    for (const char *at = colon + 1; *at; at += 2) {
        unsigned byte;
        if (order->psk_len == ORDER_KEY_MOST || sscanf(at, "%2x", &byte) != 1 || !at[1])
            return false;
        order->psk[order->psk_len++] = (uint8_t)byte;
    }
    return order->psk_len > 0;
}

static bool read_groups(struct order *order, char *text)
{
    char *rest = text;
    for (char *name; (name = strtok_r(rest, ",", &rest));) {
        int group = tls_group(name);
        if (!group || order->group_count == ORDER_GROUPS)
            return false;
        order->groups[order->group_count++] = group;
    }
    return order->group_count > 0;
}

static bool read_option(struct tunnel *t, int letter, char *value)
{
    struct order *order = &t->order;
    switch (letter) {
    case 't':
        return read_address(t, value);
    case 'p':
        return read_key(order, value);
    case 'a':
        order->ca = value;
        return true;
    case 'c':
        order->certificate = value;
        return true;
    case 'k':
        order->key = value;
        return true;
    case 'v':
        order->version = strcmp(value, "1.2") == 0 ? 12 : strcmp(value, "1.3") == 0 ? 13 : 0;
        return order->version != 0;
    case 'i':
        order->connection_id = true;
        return true;
    case 'g':
        return read_groups(order, value);
    case 'm':
        return (order->mtu = (unsigned)atoi(value)) > 0;
    case 's':
        return (t->patience_s = atoi(value)) > 0;
    default:
        return false;
    }
}

static bool read_command_line(struct tunnel *t, int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 't'},
        {"psk", required_argument, NULL, 'p'},
        {"ca", required_argument, NULL, 'a'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"version", required_argument, NULL, 'v'},
        {"cid", no_argument, NULL, 'i'},
        {"groups", required_argument, NULL, 'g'},
        {"mtu", required_argument, NULL, 'm'},
        {"patience", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!read_option(t, letter, optarg))
            return false;
    return optind == argc && t->order.host && !t->order.certificate == !t->order.key;
}

/* ---- the two sockets ---- */

static int open_socket(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ((near && bind(fd, (const struct sockaddr *)near, sizeof(*near))) ||
                    (far && connect(fd, (const struct sockaddr *)far, sizeof(*far))))) {
        close(fd);
        return -1;
    }
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_in name = {0};
    socklen_t size = sizeof(name);
    getsockname(fd, (struct sockaddr *)&name, &size);
    return ntohs(name.sin_port);
}

/* The same descriptor, another port. */
static int rebind_wire(struct tunnel *t)
{
    int fresh = open_socket(NULL, &t->far);
    if (fresh < 0 || dup3(fresh, t->wire, O_CLOEXEC) < 0)
        return failed("no other port");
    close(fresh);
    printf("rebound %u\n", port_of(t->wire));
    return 0;
}

/* ---- the handshake ---- */

static int shake_hands(struct tunnel *t)
{
    uint64_t until = now_ms() + (uint64_t)t->patience_s * 1000;
    int step;
    while ((step = secrecy_shake(t->secrecy)) == 0 && now_ms() < until) {
        struct pollfd wire = {.fd = t->wire, .events = POLLIN};
        if (poll(&wire, 1, (int)secrecy_wait_ms(t->secrecy)) == 0 && secrecy_late(t->secrecy) < 0)
            break;
    }
    if (step > 0)
        return 0;
    printf("refused %s\n", step < 0 ? secrecy_why(t->secrecy) : "nothing comes back");
    return EXIT_FAILURE;
}

/* ---- carrying ---- */

static int carry_out(struct tunnel *t)
{
    for (;;) {
        socklen_t size = sizeof(t->customer);
        ssize_t len = recvfrom(t->near, t->datagram, sizeof(t->datagram), 0,
                               (struct sockaddr *)&t->customer, &size);
        if (len < 0) /* what was sent to a client that has gone comes back as an error */
            return errno == EAGAIN || errno == ECONNREFUSED ? 0 : failed(strerror(errno));
        if (len && secrecy_send(t->secrecy, slice_of(t->datagram, (size_t)len)) < 0)
            return failed(secrecy_why(t->secrecy));
    }
}

static int carry_in(struct tunnel *t)
{
    size_t len;
    int result;
    while ((result = secrecy_receive(t->secrecy, t->datagram, sizeof(t->datagram), &len)) > 0)
        if (t->customer.sin_port)
            sendto(t->near, t->datagram, len, 0, (struct sockaddr *)&t->customer,
                   sizeof(t->customer));
    if (result == 0)
        return 0;
    printf("ended %s\n", secrecy_why(t->secrecy));
    return EXIT_FAILURE;
}

/* 0: go on; else how to end, -1 for well. */
static int obey(struct tunnel *t)
{
    char line[64] = "";
    ssize_t len = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (len <= 0) {
        secrecy_goodbye(t->secrecy);
        return -1;
    }
    if (strcmp(line, "vanish\n") == 0)
        return -1;
    return strcmp(line, "rebind\n") == 0 ? rebind_wire(t) : failed("what?");
}

static int carry(struct tunnel *t)
{
    printf("ready %u\n", port_of(t->near));
    int status = carry_in(t);
    while (status == 0) {
        struct pollfd all[] = {{.fd = t->wire, .events = POLLIN},
                               {.fd = t->near, .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(all, 3, -1) < 0)
            status = failed(strerror(errno));
        if (status == 0 && all[1].revents)
            status = carry_out(t);
        if (status == 0 && all[0].revents)
            status = carry_in(t);
        if (status == 0 && all[2].revents)
            status = obey(t);
    }
    return status < 0 ? EXIT_SUCCESS : status;
}

static int run(struct tunnel *t)
{
    struct sockaddr_in near = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    t->near = open_socket(&near, NULL);
    t->wire = open_socket(NULL, &t->far);
    if (t->near < 0 || t->wire < 0)
        return failed("no socket");
    t->secrecy = secrecy_new(&t->order, false, t->wire);
    if (!t->secrecy)
        return EXIT_FAILURE;
    int status = shake_hands(t);
    return status ? status : carry(t);
}

int main(int argc, char **argv)
{
    static struct tunnel t = {.patience_s = PATIENCE_S, .wire = -1, .near = -1};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_command_line(&t, argc, argv)) {
        fprintf(stderr, "usage: the opening of dtls_tunnel.c\n");
        return MISUSED;
    }
    int status = run(&t);
    secrecy_free(t.secrecy);
    if (t.near >= 0)
        close(t.near);
    if (t.wire >= 0)
        close(t.wire);
    return status;
}
