/* datagram_socket: see datagram_socket.h. */
#include "transports/datagram_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
    /* A little more than a datagram has, so that those of one batch do not all begin at the same
     * place of the processor's caches. */
    STRIDE = (64 << 10) + 1088,
    CONTROL_IN = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
                 CMSG_SPACE(sizeof(uint32_t)),
    CONTROL_OUT = CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

union control_in {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_IN];
};

union control_out {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_OUT];
};

struct inbox {
    struct mmsghdr headers[DATAGRAM_BATCH];
    struct iovec vectors[DATAGRAM_BATCH];
    struct sockaddr_storage names[DATAGRAM_BATCH];
    union control_in controls[DATAGRAM_BATCH];
    uint8_t bytes[];
};

static void set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value)); /* what is refused, is done without */
}

static bool is_wildcard(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &length) != 0)
        return false;
    if (name.ss_family == AF_INET)
        return ((struct sockaddr_in *)&name)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&name)->sin6_addr);
}

bool datagram_socket_tune(const struct socket *socket, size_t receive_buffer)
{
    bool wildcard = is_wildcard(socket->fd);
    set(socket->fd, SOL_SOCKET, SO_RCVBUF, (int)receive_buffer);
    set(socket->fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    /* Nobody's forged ICMP makes our datagrams smaller or keeps them from leaving. */
    set(socket->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (socket->family == AF_INET6)
        set(socket->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    if (wildcard)
        set(socket->fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (wildcard && socket->family == AF_INET6)
        set(socket->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    return wildcard;
}

/* ---- in ---- */

struct inbox *inbox_new(void)
{
    struct inbox *inbox = malloc(sizeof(*inbox) + (size_t)DATAGRAM_BATCH * STRIDE);
    if (!inbox)
        return NULL;
    for (int i = 0; i < DATAGRAM_BATCH; i++)
        inbox->vectors[i] = (struct iovec){inbox->bytes + (size_t)i * STRIDE, 64 << 10};
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    free(inbox);
}

int inbox_fill(struct inbox *inbox, int fd)
{
    for (int i = 0; i < DATAGRAM_BATCH; i++)
        inbox->headers[i].msg_hdr = (struct msghdr){.msg_name = &inbox->names[i],
                                                    .msg_namelen = sizeof(inbox->names[i]),
                                                    .msg_iov = &inbox->vectors[i],
                                                    .msg_iovlen = 1,
                                                    .msg_control = &inbox->controls[i],
                                                    .msg_controllen = sizeof(inbox->controls[i])};
    int got = recvmmsg(fd, inbox->headers, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
    return got < 0 ? -errno : got;
}

static void set_ipv4(struct local *to, const struct in_addr *address)
{
    to->interface = 0;
    memset(to->address, 0, 10);
    to->address[10] = to->address[11] = 0xff;
    memcpy(to->address + 12, address, 4);
}

static void read_control(struct cmsghdr *control, struct local *to, uint32_t *missed)
{
    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
        memcpy(missed, CMSG_DATA(control), sizeof(*missed));
    } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        /* Not ipi_addr: that may be a multicast or broadcast address, which nobody can send from.
         */
        struct in_pktinfo in;
        memcpy(&in, CMSG_DATA(control), sizeof(in));
        set_ipv4(to, &in.ipi_spec_dst);
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo in6;
        memcpy(&in6, CMSG_DATA(control), sizeof(in6));
        if (IN6_IS_ADDR_MULTICAST(&in6.ipi6_addr) || IN6_IS_ADDR_V4MAPPED(&in6.ipi6_addr))
            return; /* the kernel chooses; or IP_PKTINFO knows better */
        memcpy(to->address, &in6.ipi6_addr, sizeof(to->address));
        to->interface = IN6_IS_ADDR_LINKLOCAL(&in6.ipi6_addr) ? in6.ipi6_ifindex : 0;
    }
}

bool inbox_read(const struct inbox *inbox, int i, struct arrival *arrival, uint32_t *missed)
{
    struct msghdr header = inbox->headers[i].msg_hdr; /* a copy: the macros want one to write to */
    arrival->to = (struct local){.interface = 0};
    arrival->bytes = slice_of(inbox->vectors[i].iov_base, inbox->headers[i].msg_len);
    arrival->truncated = header.msg_flags & MSG_TRUNC;
    for (struct cmsghdr *at = header.msg_controllen ? CMSG_FIRSTHDR(&header) : NULL; at;
         at = CMSG_NXTHDR(&header, at))
        read_control(at, &arrival->to, missed);
    /* Port 0 cannot be answered, and is a liberty that only forgers take. */
    return endpoint_read(&arrival->from, &inbox->names[i]) && arrival->from.port != 0;
}

/* ---- out ---- */

static bool is_known(const struct local *local)
{
    static const struct local unknown;
    return memcmp(local, &unknown, sizeof(unknown)) != 0;
}

/* Says which address of ours the datagram is to leave from. */
static void write_control(struct msghdr *header, union control_out *control, int family,
                          const struct local *from)
{
    header->msg_control = control;
    header->msg_controllen = family == AF_INET ? CMSG_SPACE(sizeof(struct in_pktinfo))
                                               : CMSG_SPACE(sizeof(struct in6_pktinfo));
    memset(control, 0, sizeof(*control));
    struct cmsghdr *at = CMSG_FIRSTHDR(header);
    if (family == AF_INET) {
        struct in_pktinfo in = {.ipi_ifindex = 0};
        memcpy(&in.ipi_spec_dst, from->address + 12, sizeof(in.ipi_spec_dst));
        at->cmsg_level = IPPROTO_IP;
        at->cmsg_type = IP_PKTINFO;
        at->cmsg_len = CMSG_LEN(sizeof(in));
        memcpy(CMSG_DATA(at), &in, sizeof(in));
    } else {
        struct in6_pktinfo in6 = {.ipi6_ifindex = from->interface};
        memcpy(&in6.ipi6_addr, from->address, sizeof(in6.ipi6_addr));
        at->cmsg_level = IPPROTO_IPV6;
        at->cmsg_type = IPV6_PKTINFO;
        at->cmsg_len = CMSG_LEN(sizeof(in6));
        memcpy(CMSG_DATA(at), &in6, sizeof(in6));
    }
}

int datagram_socket_send(const struct socket *socket, const struct departure *const *departures,
                         int count)
{
    struct mmsghdr headers[DATAGRAM_BATCH];
    struct iovec vectors[DATAGRAM_BATCH];
    struct sockaddr_storage names[DATAGRAM_BATCH];
    union control_out controls[DATAGRAM_BATCH];
    for (int i = 0; i < count; i++) {
        const struct departure *departure = departures[i];
        vectors[i] = (struct iovec){(void *)departure->at, departure->len};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &names[i],
            .msg_namelen = endpoint_write(&names[i], socket->family, &departure->to),
            .msg_iov = &vectors[i],
            .msg_iovlen = 1};
        if (is_known(&departure->from))
            write_control(&headers[i].msg_hdr, &controls[i], socket->family, &departure->from);
    }
    int sent = sendmmsg(socket->fd, headers, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
