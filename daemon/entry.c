/* entry: see entry.h. The one place that puts access into words, for -t and for the log alike, so
 * that what was checked is what is announced. */
#include "daemon/entry.h"

#include "base/address.h"
#include <arpa/inet.h>
#include <stdio.h>

/* Whom the address alone lets through. */
static const char *reach(const char *text)
{
    struct address address;
    char why[128];
    if (!address_read(text, &address, why, sizeof(why)))
        return "everybody who reaches this address";
    if (address.family == ADDRESS_UNIX)
        return "every process that may write to the socket file";
    bool loopback = (address.family == ADDRESS_IPV4 && ntohl(address.v4.s_addr) >> 24 == 127) ||
                    (address.family == ADDRESS_IPV6 && IN6_IS_ADDR_LOOPBACK(&address.v6));
    return loopback ? "everybody on this machine" : "everybody who reaches this address";
}

const char *entry_text(const struct listener_settings *listener, const char *address,
                       char to[ENTRY_SIZE])
{
    char who[128];
    if (listener->anonymous)
        snprintf(who, sizeof(who), "open to %s, without credentials", reach(address));
    else
        snprintf(who, sizeof(who), "closed to everybody: anonymous is false, there are no users");
    snprintf(to, ENTRY_SIZE, "%s: %s, %s over %s: %s", listener->name, address, listener->protocol,
             listener->transport, who);
    return to;
}
