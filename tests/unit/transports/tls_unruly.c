/* tls_unruly: see tls_unruly.h. Reads wolfSSL's insides, since no library lies of its own accord.
 */
#include "tls_unruly.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/internal.h>

enum { MESSAGE_MAX = 1024, ROOM = 512, HEADER = 13, MESSAGE_HEADER = 12, LAST_FLIGHT = 3 };

static struct {
    WOLFSSL *client;
    const char *steps;
    bool said;
    uint8_t type;
    size_t len;
    const void *content;
    size_t content_len;
} unruly;

/* What is held back of a flight of DTLS 1.3. */
static struct held {
    enum HandShakeType type;
    byte bytes[4096];
    word16 size, length;
    int hash;
} held[LAST_FLIGHT];
static unsigned held_count;

int __real_SendCertificate(WOLFSSL *ssl);
int __real_SendClientKeyExchange(WOLFSSL *ssl);
int __real_SendCertificateVerify(WOLFSSL *ssl);
int __real_SendChangeCipher(WOLFSSL *ssl);
int __real_SendFinished(WOLFSSL *ssl);
int __real_Dtls13HandshakeSend(WOLFSSL *ssl, byte *message, word16 size, word16 length,
                               enum HandShakeType type, int hash);
int __wrap_SendCertificate(WOLFSSL *ssl);
int __wrap_SendClientKeyExchange(WOLFSSL *ssl);
int __wrap_SendCertificateVerify(WOLFSSL *ssl);
int __wrap_SendChangeCipher(WOLFSSL *ssl);
int __wrap_SendFinished(WOLFSSL *ssl);
int __wrap_Dtls13HandshakeSend(WOLFSSL *ssl, byte *message, word16 size, word16 length,
                               enum HandShakeType type, int hash);

void unruly_begin(WOLFSSL *client, const char *steps)
{
    unruly.client = client;
    unruly.steps = steps;
    unruly.said = false;
    held_count = 0;
}

void unruly_message(uint8_t type, size_t len)
{
    unruly.type = type;
    unruly.len = len;
}

void unruly_content(const void *content, size_t len)
{
    unruly.content = content;
    unruly.content_len = len;
}

/* ---- what does not belong there ---- */

static void say_content(WOLFSSL *ssl)
{
    Options before = ssl->options;
    int error = ssl->error;
    ssl->options.handShakeState = HANDSHAKE_DONE;
    ssl->options.handShakeDone = 1;
    ssl->options.connectState = SECOND_REPLY_DONE;
    ssl->error = 0;
    wolfSSL_write(ssl, unruly.content, (int)unruly.content_len);
    ssl->options = before;
    ssl->error = error;
}

static void write_message(byte *to, uint8_t type, word16 number, size_t len)
{
    const byte header[MESSAGE_HEADER] = {
        type, 0, (byte)(len >> 8), (byte)len, (byte)(number >> 8), (byte)number, 0, 0,
        0,    0, (byte)(len >> 8), (byte)len};
    memcpy(to, header, sizeof(header));
    for (size_t i = 0; i < len; i++)
        to[MESSAGE_HEADER + i] = (byte)i;
}

static void emit(WOLFSSL *ssl, byte *record, int size)
{
    if (size > 0)
        ssl->CBIOSend(ssl, (char *)record, size, ssl->IOCB_WriteCtx);
}

static void say_in_the_clear(WOLFSSL *ssl, const byte *message, size_t size)
{
    byte record[HEADER + MESSAGE_MAX] = {22, 0xfe, 0xfd};
    word32 number = ssl->keys.dtls_sequence_number_lo++;
    for (int i = 0; i < 4; i++)
        record[7 + i] = (byte)(number >> (24 - 8 * i));
    record[11] = (byte)(size >> 8);
    record[12] = (byte)size;
    memcpy(record + HEADER, message, size);
    emit(ssl, record, (int)(HEADER + size));
}

static void say_message_12(WOLFSSL *ssl)
{
    byte message[MESSAGE_MAX], record[MESSAGE_MAX + ROOM];
    size_t size = MESSAGE_HEADER + unruly.len;
    write_message(message, unruly.type, ssl->keys.dtls_handshake_number++, unruly.len);
    if (ssl->keys.encryptionOn)
        emit(ssl, record,
             BuildMessage(ssl, record, sizeof(record), message, (int)size, handshake, 0, 0, 0,
                          CUR_ORDER));
    else
        say_in_the_clear(ssl, message, size);
}

/* The room before the message is wolfSSL's, for headers. */
static void say_message_13(WOLFSSL *ssl)
{
    byte message[MESSAGE_MAX + ROOM] = {0};
    enum HandShakeType type = (enum HandShakeType)unruly.type;
    word16 before = Dtls13GetHeadersLength(ssl, type);
    for (size_t i = 0; i < unruly.len; i++)
        message[before + i] = (byte)i;
    Dtls13AddHeaders(message, (word32)unruly.len, type, ssl);
    __real_Dtls13HandshakeSend(ssl, message, sizeof(message), (word16)(before + unruly.len), type,
                               0);
}

void unruly_say(WOLFSSL *client, char step)
{
    if (step == 'A')
        say_content(client);
    else if (client->options.tls1_3)
        say_message_13(client);
    else
        say_message_12(client);
}

/* ---- TLS and DTLS 1.2 ---- */

/* wolfSSL encrypts none of these: behind F they are left out. */
static bool is_sayable(const WOLFSSL *ssl, char step)
{
    return !ssl->keys.encryptionOn || (step != 'C' && step != 'K' && step != 'V');
}

static int say(WOLFSSL *ssl, char step)
{
    if (!is_sayable(ssl, step))
        return 0;
    switch (step) {
    case 'C':
        return __real_SendCertificate(ssl);
    case 'K':
        return __real_SendClientKeyExchange(ssl);
    case 'V':
        return __real_SendCertificateVerify(ssl);
    case 'H':
        return __real_SendChangeCipher(ssl);
    case 'F':
        return __real_SendFinished(ssl);
    default:
        unruly_say(ssl, step);
        return 0;
    }
}

static int flight(WOLFSSL *ssl, char step)
{
    if (ssl != unruly.client || !unruly.steps)
        return say(ssl, step);
    if (unruly.said)
        return 0;
    unruly.said = true;
    for (const char *s = unruly.steps; *s; s++)
        (void)say(ssl, *s); /* not all of it is possible in every order */
    return 0;
}

int __wrap_SendCertificate(WOLFSSL *ssl)
{
    return flight(ssl, 'C');
}

int __wrap_SendClientKeyExchange(WOLFSSL *ssl)
{
    return flight(ssl, 'K');
}

int __wrap_SendCertificateVerify(WOLFSSL *ssl)
{
    return flight(ssl, 'V');
}

int __wrap_SendChangeCipher(WOLFSSL *ssl)
{
    return flight(ssl, 'H');
}

int __wrap_SendFinished(WOLFSSL *ssl)
{
    return flight(ssl, 'F');
}

/* ---- DTLS 1.3 ---- */

static char step_of(enum HandShakeType type)
{
    return type == certificate ? 'C' : type == certificate_verify ? 'V' : 'F';
}

/* Says what is next, as long as it is there to be said. */
static void say_held(WOLFSSL *ssl)
{
    while (*unruly.steps) {
        char step = *unruly.steps;
        unsigned i = 0;
        while (i < held_count && step_of(held[i].type) != step)
            i++;
        if (i == held_count && step != 'A' && step != 'X')
            return;
        unruly.steps++;
        if (i == held_count)
            unruly_say(ssl, step);
        else
            (void)__real_Dtls13HandshakeSend(ssl, held[i].bytes, held[i].size, held[i].length,
                                             held[i].type, held[i].hash);
    }
}

/* What has its turn is said at once, so that what follows it is made with it. */
int __wrap_Dtls13HandshakeSend(WOLFSSL *ssl, byte *message, word16 size, word16 length,
                               enum HandShakeType type, int hash)
{
    bool of_flight = type == certificate || type == certificate_verify || type == finished;
    bool scripted = ssl == unruly.client && unruly.steps && !unruly.said && of_flight;
    if (!scripted || size > sizeof(held[0].bytes) || held_count == LAST_FLIGHT)
        return __real_Dtls13HandshakeSend(ssl, message, size, length, type, hash);
    struct held *one = &held[held_count++];
    *one = (struct held){.type = type, .size = size, .length = length, .hash = hash};
    memcpy(one->bytes, message, size);
    say_held(ssl);
    unruly.said = type == finished;
    return 0;
}

/* ---- TLS 1.3 ---- */

static CallbackIOSend send_on;
static bool flight_begins;

/* The server has proven itself, and its Finished has come. */
static int on_secret(WOLFSSL *ssl, int which, const unsigned char *secret, int size, void *with)
{
    (void)secret;
    (void)size;
    flight_begins |= which == CLIENT_TRAFFIC_SECRET;
    if (flight_begins && !*(const int *)with)
        ssl->options.sendVerify = 0;
    return 0;
}

static int send_then_forget(WOLFSSL *ssl, char *bytes, int size, void *to)
{
    if (flight_begins)
        ssl->options.sendVerify = 0;
    return send_on(ssl, bytes, size, to);
}

void unruly_13_begin(WOLFSSL *client, int with_certificate, CallbackIOSend send)
{
    static int with;
    with = with_certificate;
    flight_begins = false;
    send_on = send;
    wolfSSL_SSLSetIOSend(client, send_then_forget);
    wolfSSL_set_tls13_secret_cb(client, on_secret, &with);
}
