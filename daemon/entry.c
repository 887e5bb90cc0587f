/* entry: see entry.h. The one place that puts access into words, for -t and for the log alike, so
 * that what was checked is what is announced. */
#include "daemon/entry.h"

#include "base/address.h"
#include "daemon/modules.h"
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

/* A protocol that has no word for passwords leaves `proven` out: its peers have what their
 * transport proves, and nothing else. */
static bool has_passwords(const struct listener_settings *listener)
{
    const struct protocol *protocol = modules_protocol(listener->protocol);
    return protocol && protocol->proven;
}

/* Who can prove who he is there. */
static const char *proven(const struct listener_settings *listener, const struct access *access)
{
    bool certificate = listener->tls.client_certificate != TLS_CLIENT_NONE;
    bool key = listener->tls.psk_file != NULL;
    /* Where a certificate is required, whoever gets as far as a password has proven himself. */
    bool password = access->users && has_passwords(listener) &&
                    listener->tls.client_certificate != TLS_CLIENT_REQUIRED;
    if (certificate && password)
        return key ? "who has a certificate, a pre-shared key or a password"
                   : "who has a certificate or a password";
    if (certificate)
        return key ? "who has a certificate or a pre-shared key" : "who has a certificate";
    if (key)
        return password ? "who has a pre-shared key or a password" : "who has a pre-shared key";
    return password ? "who has a password" : NULL;
}

const char *entry_text(const struct listener_settings *listener, const struct access *access,
                       const char *address, char to[ENTRY_SIZE])
{
    char who[192];
    const char *some = proven(listener, access);
    if (listener->anonymous)
        snprintf(who, sizeof(who), "open to %s, without credentials%s%s", reach(address),
                 some ? ", and to " : "", some ? some : "");
    else if (some)
        snprintf(who, sizeof(who), "open to %s", some);
    else if (has_passwords(listener))
        snprintf(who, sizeof(who), "closed to everybody: anonymous is false, there are no users");
    else
        snprintf(who, sizeof(who), "closed to everybody: anonymous is false, %s has no passwords",
                 listener->protocol);
    snprintf(to, ENTRY_SIZE, "%s: %s, %s over %s: %s", listener->name, address, listener->protocol,
             listener->transport, who);
    return to;
}
