/* socket: a listening stream socket, or a bound one for datagrams, from the text of a `bind:` or
 * from systemd. */
#ifndef SIOTD_TRANSPORTS_SOCKET_H
#define SIOTD_TRANSPORTS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct socket {
    int fd;     /* listening, non-blocking, close-on-exec; -1 when closed */
    int family; /* AF_INET, AF_INET6, AF_UNIX */
    char *path; /* owned: of the socket file that is ours to remove, else NULL */
    dev_t device;
    ino_t inode; /* of that file, so that nobody else's is removed */
};

/* Binds and listens. A socket file that nobody listens on is replaced. "*:port" is both families
 * where the machine has IPv6; "[::]:port" is IPv6 only. Returns 0, or -errno with a reason in
 * `why`. */
int socket_listen(struct socket *socket, const char *bind, int backlog, char *why, size_t why_size);

/* Takes a listening stream socket that somebody else has bound; on success it is owned. Returns 0,
 * or -errno with a reason in `why`. */
int socket_inherit(struct socket *socket, int fd, char *why, size_t why_size);

/* The same for datagrams: IPv4 and IPv6 only. Nobody else can bind the address meanwhile. */
int socket_bind(struct socket *socket, const char *bind, char *why, size_t why_size);
int socket_inherit_bound(struct socket *socket, int fd, char *why, size_t why_size);

/* Closes, and removes the socket file if it is ours. Idempotent. */
void socket_close(struct socket *socket);

/* Acknowledges at once what a connected TCP socket has received: for an other end that sends
 * nothing more until then (Nagle), while we have nothing to say that could carry it. */
void socket_acknowledge(int fd);

/* An address as text: "192.0.2.7:50112", "[2001:db8::1]:50112", "unix:/path", "unix"; IPv4 in an
 * IPv6 coat is shown as IPv4. Returns `to`. */
char *socket_address(char *to, size_t size, const struct sockaddr_storage *address);

#endif
