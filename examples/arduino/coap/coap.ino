/* A DHT22 and an LED on CoAP (RFC 7252): readings are PUT, the command is observed (RFC 7641).
 * Library: "DHT sensor library" (Adafruit).
 *
 * Small enough to read: confirmable requests, one under way at a time, Echo when siotd asks whether
 * we are where we say (RFC 9175). In the clear: for a network that is trusted. */
#include <Arduino.h>
#include <DHT.h>
#include <WiFi.h>
#include <WiFiUdp.h>

#ifndef BROKER /* what is different in every house */
#define WIFI_NAME     "my network"
#define WIFI_PASSWORD "my password"
#define BROKER        "192.168.1.10"
#define PORT          5683
#define INTERVAL_MS   10000 /* a DHT22 can be asked every 2 s at most */
#endif

static const int SENSOR_PIN = 4, LED_PIN = 2;
static const unsigned long RETRY_MS = 2000, REFRESH_MS = 60000;

enum { CON = 0, NON = 1, ACK = 2, GET = 1, PUT = 3, UNAUTHORIZED = 0x81 };
enum { OBSERVE = 6, URI_PATH = 11, ECHO_OPTION = 252, TOKEN_LEN = 4, TRIES = 5 };

/* What is to be asked for: readings, and the observation, each with its latest text. */
enum { COMMAND, TEMPERATURE, HUMIDITY, REQUESTS };
static struct request {
    const char *path; /* levels of /ps */
    char text[16];
    bool wanted;
    uint8_t token[TOKEN_LEN];
} requests[REQUESTS] = {
    {"commands/hall/led", "", false, {0}},
    {"sensors/hall/temperature", "", false, {0}},
    {"sensors/hall/humidity", "", false, {0}},
};

static DHT sensor(SENSOR_PIN, DHT22);
static WiFiUDP udp;
static uint8_t datagram[200], echo[40];
static size_t datagram_len, echo_len;
static int under_way = -1, tries; /* which request is; how often it was sent */
static uint16_t message_id;
static uint32_t last_command = 0x10000; /* message id of it; at first of none */
static unsigned long sent_ms, measured_ms, refreshed_ms;

/* ---- writing ---- */

static void put(uint8_t byte)
{
    if (datagram_len < sizeof(datagram))
        datagram[datagram_len++] = byte;
}

/* One option: its number as a distance from the last one, its length, its value. Neither is above
 * 268 here. */
static void put_option(int number, int *last, const void *value, size_t len)
{
    int distance = number - *last;
    put((uint8_t)((distance < 13 ? distance : 13) << 4 | (len < 13 ? (int)len : 13)));
    if (distance >= 13)
        put((uint8_t)(distance - 13));
    if (len >= 13)
        put((uint8_t)(len - 13));
    for (size_t i = 0; i < len; i++)
        put(((const uint8_t *)value)[i]);
    *last = number;
}

static void encode(const struct request *request, bool observe)
{
    int last = 0;
    message_id++;
    datagram_len = 0;
    put(1 << 6 | CON << 4 | TOKEN_LEN);
    put(observe ? GET : PUT);
    put((uint8_t)(message_id >> 8));
    put((uint8_t)message_id);
    for (int i = 0; i < TOKEN_LEN; i++)
        put(request->token[i]);
    if (observe)
        put_option(OBSERVE, &last, "", 0);
    put_option(URI_PATH, &last, "ps", 2);
    for (const char *level = request->path; level;) {
        const char *end = strchr(level, '/');
        put_option(URI_PATH, &last, level, end ? (size_t)(end - level) : strlen(level));
        level = end ? end + 1 : NULL;
    }
    if (echo_len)
        put_option(ECHO_OPTION, &last, echo, echo_len);
    if (request->text[0])
        put(0xff);
    for (const char *text = request->text; *text; text++)
        put((uint8_t)*text);
}

static void transmit(const uint8_t *bytes, size_t len)
{
    udp.beginPacket(BROKER, PORT);
    udp.write(bytes, len);
    udp.endPacket();
}

/* The request under way again when it is time, or the next one. */
static void send()
{
    for (int i = 0; under_way < 0 && i < REQUESTS; i++)
        if (requests[i].wanted) {
            requests[i].wanted = false;
            under_way = i;
            tries = 0;
            if (i != COMMAND)
                for (int k = 0; k < TOKEN_LEN; k++)
                    requests[i].token[k] = (uint8_t)esp_random();
            encode(&requests[i], i == COMMAND);
        }
    if (under_way < 0 || (tries && millis() - sent_ms < RETRY_MS << (tries - 1)))
        return;
    if (tries++ == TRIES) {
        under_way = -1;
        return;
    }
    sent_ms = millis();
    transmit(datagram, datagram_len);
}

/* ---- hearing ---- */

/* Walks over options from `at` on and returns where the payload begins; keeps what is to be echoed.
 */
static size_t skip_options(const uint8_t *message, size_t len, size_t at, bool *echo_asked)
{
    int number = 0;
    while (at < len && message[at] != 0xff) {
        int parts[2] = {message[at] >> 4, message[at] & 15};
        at++;
        for (int i = 0; i < 2; i++) {
            if (parts[i] == 13 && at < len) {
                parts[i] = message[at++] + 13;
            } else if (parts[i] == 14 && at + 1 < len) {
                parts[i] = (message[at] << 8 | message[at + 1]) + 269;
                at += 2;
            }
        }
        number += parts[0];
        if (at + (size_t)parts[1] > len)
            return len;
        if (number == ECHO_OPTION && (size_t)parts[1] <= sizeof(echo)) {
            *echo_asked = true;
            echo_len = (size_t)parts[1];
            memcpy(echo, message + at, echo_len);
        }
        at += (size_t)parts[1];
    }
    return at < len ? at + 1 : len;
}

static void obey(const uint8_t *text, size_t len)
{
    if (len == 2 && memcmp(text, "on", 2) == 0)
        digitalWrite(LED_PIN, HIGH);
    else if (len == 3 && memcmp(text, "off", 3) == 0)
        digitalWrite(LED_PIN, LOW);
}

static void take(const uint8_t *message, size_t len)
{
    int kind = message[0] >> 4 & 3, token_len = message[0] & 15, code = message[1];
    const uint8_t *token = message + 4;
    uint16_t id = (uint16_t)(message[2] << 8 | message[3]);
    bool echo_asked = false;
    if (message[0] >> 6 != 1 || 4 + (size_t)token_len > len)
        return;
    if (kind == CON) {
        const uint8_t answer[] = {1 << 6 | ACK << 4, 0, message[2], message[3]};
        transmit(answer, sizeof(answer));
    }
    if (code >> 5 < 2 || token_len != TOKEN_LEN)
        return;
    size_t at = skip_options(message, len, 4 + TOKEN_LEN, &echo_asked);
    if (code >> 5 == 2 && memcmp(token, requests[COMMAND].token, TOKEN_LEN) == 0 &&
        id != last_command) {
        last_command = id;
        obey(message + at, len - at);
    }
    if (under_way < 0 || memcmp(token, requests[under_way].token, TOKEN_LEN) != 0)
        return;
    if (code == UNAUTHORIZED && echo_asked)
        requests[under_way].wanted = true; /* the same once more, with what was asked for */
    under_way = -1;
}

static void hear()
{
    uint8_t message[500];
    while (udp.parsePacket() > 0) {
        int len = udp.read(message, sizeof(message));
        if (len >= 4)
            take(message, (size_t)len);
    }
}

static void want(int which, float value)
{
    if (isnan(value))
        return; /* the sensor has not answered */
    snprintf(requests[which].text, sizeof(requests[which].text), "%.1f", value);
    requests[which].wanted = true;
}

void setup()
{
    pinMode(LED_PIN, OUTPUT);
    sensor.begin();
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    while (WiFi.status() != WL_CONNECTED)
        delay(200);
    udp.begin(0);
    message_id = (uint16_t)esp_random();
    for (int i = 0; i < TOKEN_LEN; i++)
        requests[COMMAND].token[i] = (uint8_t)esp_random();
    requests[COMMAND].wanted = true;
    refreshed_ms = millis();
}

void loop()
{
    hear();
    if (measured_ms == 0 || millis() - measured_ms >= INTERVAL_MS) {
        measured_ms = millis();
        want(TEMPERATURE, sensor.readTemperature());
        want(HUMIDITY, sensor.readHumidity());
    }
    if (millis() - refreshed_ms >= REFRESH_MS) { /* in case siotd has lost the observation */
        refreshed_ms = millis();
        requests[COMMAND].wanted = true;
    }
    send();
    delay(20);
}
