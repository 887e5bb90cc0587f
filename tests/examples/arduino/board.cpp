/* board: the stubs of this folder, on POSIX sockets, and the main program that a sketch lacks. */
#include "Arduino.h"
#include "DHT.h"
#include "PubSubClient.h"
#include "WiFi.h"
#include "WiFiUdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

SerialPort Serial;
Station WiFi;

unsigned long millis()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000;
}

void delay(unsigned long ms)
{
    usleep((useconds_t)(ms * 1000));
}

static int modes[64];

void pinMode(int pin, int mode)
{
    modes[pin] = mode;
}

void digitalWrite(int pin, int level)
{
    if (modes[pin] != OUTPUT)
        abort();
    printf("pin %d = %d\n", pin, level);
    fflush(stdout);
}

uint32_t esp_random()
{
    uint32_t number;
    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        abort();
    return number;
}

/* ---- TCP ---- */

static struct sockaddr_in address_of(const char *host, int port)
{
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        abort();
    return address;
}

bool WiFiClient::connect(const char *host, int port)
{
    struct sockaddr_in address = address_of(host, port);
    stop();
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return true;
    stop();
    return false;
}

int WiFiClient::available()
{
    struct pollfd waiting = {fd, POLLIN, 0};
    return fd < 0 ? -1 : poll(&waiting, 1, 0) > 0;
}

int WiFiClient::read(uint8_t *to, size_t len)
{
    return (int)recv(fd, to, len, 0);
}

size_t WiFiClient::write(const uint8_t *from, size_t len)
{
    ssize_t sent = send(fd, from, len, MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

void WiFiClient::stop()
{
    if (fd >= 0)
        close(fd);
    fd = -1;
}

/* ---- UDP ---- */

void WiFiUDP::begin(int)
{
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

void WiFiUDP::beginPacket(const char *to, int to_port)
{
    host = to;
    port = to_port;
    out.clear();
}

void WiFiUDP::write(const uint8_t *from, size_t len)
{
    out.append((const char *)from, len);
}

void WiFiUDP::endPacket()
{
    struct sockaddr_in address = address_of(host.c_str(), port);
    sendto(fd, out.data(), out.size(), 0, (struct sockaddr *)&address, sizeof(address));
}

int WiFiUDP::parsePacket()
{
    ssize_t got = recv(fd, in, sizeof(in), 0);
    in_len = got > 0 ? (int)got : 0;
    return in_len;
}

int WiFiUDP::read(uint8_t *to, size_t len)
{
    int got = in_len < (int)len ? in_len : (int)len;
    memcpy(to, in, (size_t)got);
    return got;
}

/* ---- MQTT ---- */

enum { KEEP_ALIVE_S = 15 };

static std::string text_of(const char *text)
{
    size_t len = strlen(text);
    return std::string({(char)(len >> 8), (char)len}) + text;
}

void PubSubClient::lost()
{
    in_session = false;
    net.stop();
}

bool PubSubClient::packet(uint8_t first, const std::string &body)
{
    if (body.size() > 127)
        abort(); /* no example has a longer one */
    std::string all({(char)first, (char)body.size()});
    all += body;
    spoke_ms = millis();
    if (net.write((const uint8_t *)all.data(), all.size()) == all.size())
        return true;
    lost();
    return false;
}

bool PubSubClient::exactly(uint8_t *to, size_t len)
{
    while (len) {
        int got = net.read(to, len);
        if (got <= 0)
            return false;
        to += got;
        len -= (size_t)got;
    }
    return true;
}

bool PubSubClient::take(uint8_t *first, std::string *body)
{
    uint8_t head[2], bytes[127];
    if (!exactly(head, 2) || head[1] > 127 || !exactly(bytes, head[1])) {
        lost();
        return false;
    }
    *first = head[0];
    body->assign((const char *)bytes, head[1]);
    return true;
}

bool PubSubClient::connect(const char *id)
{
    uint8_t first;
    std::string body = text_of("MQTT") + std::string({4, 2, 0, KEEP_ALIVE_S}) + text_of(id);
    if (!net.connect(host, port) || !packet(0x10, body) || !take(&first, &body))
        return false;
    in_session = first == 0x20 && body.size() == 2 && body[1] == 0;
    return in_session;
}

bool PubSubClient::publish(const char *topic, const char *payload, bool retained)
{
    return in_session && packet(retained ? 0x31 : 0x30, text_of(topic) + payload);
}

bool PubSubClient::subscribe(const char *topic, uint8_t qos)
{
    return in_session &&
           packet(0x82, std::string({0, 1}) + text_of(topic) + std::string(1, (char)qos));
}

void PubSubClient::deal(uint8_t first, std::string &body)
{
    if (first >> 4 != 3 || body.size() < 2)
        return;
    size_t end = 2 + ((size_t)(uint8_t)body[0] << 8 | (uint8_t)body[1]), payload = end;
    if (first & 6) {
        packet(0x40, body.substr(end, 2));
        payload += 2;
    }
    std::string topic = body.substr(2, end - 2), rest = body.substr(payload);
    callback(&topic[0], (uint8_t *)&rest[0], (unsigned)rest.size());
}

void PubSubClient::loop()
{
    uint8_t first;
    std::string body;
    while (in_session && net.available() > 0)
        if (take(&first, &body))
            deal(first, body);
    if (in_session && millis() - spoke_ms > KEEP_ALIVE_S * 500)
        packet(0xC0, "");
}

int main()
{
    setup();
    for (;;)
        loop();
}
