/* target: the broker's address, which must be this machine. */
#ifndef SIOTD_BENCH_TARGET_H
#define SIOTD_BENCH_TARGET_H

#include <stdint.h>
#include <sys/socket.h>

struct target {
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* Accepts 127.0.0.0/8, ::1 and "localhost"; anything else is refused with a line on stderr, since
 * a load generator aimed at somebody else's machine is an attack. Returns 0 or -1. */
int target_parse(struct target *target, const char *host, uint16_t port);

/* The address that connection number n comes from. An IPv4 loopback has 2^24 addresses, each with
 * ports of its own, so that 100,000 connections to one port are possible. Returns the length, or 0
 * when the kernel may choose. */
socklen_t target_source(const struct target *target, uint32_t n, struct sockaddr_storage *source);

#endif
