/* A DHT22 and an LED on raw datagrams: no library but the sensor's, no connection. docs/raw.md has
 * the language. Library: "DHT sensor library" (Adafruit).
 *
 * Readings carry an id and are sent again until siotd says ACK. Commands carry one too, and are
 * acknowledged here. In the clear: for a network that is trusted. */
#include <Arduino.h>
#include <DHT.h>
#include <WiFi.h>
#include <WiFiUdp.h>

#ifndef BROKER /* what is different in every house */
#define WIFI_NAME     "my network"
#define WIFI_PASSWORD "my password"
#define BROKER        "192.168.1.10"
#define PORT          5600
#define INTERVAL_MS   10000 /* a DHT22 can be asked every 2 s at most */
#endif

static const int SENSOR_PIN = 4, LED_PIN = 2;
static const char COMMAND[] = "commands/hall/led";
static const unsigned long PING_MS = 20000, RETRY_MS = 2000;
static const int TRIES = 5;

/* One reading that has not been acknowledged. */
struct reading {
    char datagram[100];
    unsigned long id, sent_ms;
    int tries; /* 0: there is none */
};

static DHT sensor(SENSOR_PIN, DHT22);
static WiFiUDP udp;
static struct reading temperature, humidity;
static unsigned long measured_ms, pinged_ms, last_id;

static void say(const char *datagram)
{
    udp.beginPacket(BROKER, PORT);
    udp.write((const uint8_t *)datagram, strlen(datagram));
    udp.endPacket();
}

/* What stands behind the line makes room for an id in the answer (docs/raw.md). */
static void subscribe()
{
    char datagram[100];
    snprintf(datagram, sizeof(datagram), "SUB %s qos=1\n%24s", COMMAND, "");
    say(datagram);
}

static void resend(struct reading *reading)
{
    if (reading->tries == 0 || millis() - reading->sent_ms < RETRY_MS)
        return;
    if (reading->tries++ == TRIES) {
        reading->tries = 0; /* the next one is worth more */
        return;
    }
    reading->sent_ms = millis();
    say(reading->datagram);
}

static void publish(struct reading *reading, const char *topic, float value)
{
    if (isnan(value))
        return; /* the sensor has not answered */
    reading->id = ++last_id;
    reading->tries = 1;
    reading->sent_ms = millis();
    snprintf(reading->datagram, sizeof(reading->datagram), "PUB %s retain id=%lu\n%.1f", topic,
             reading->id, value);
    say(reading->datagram);
}

static void take(char *datagram)
{
    char answer[40];
    char *payload = strchr(datagram, '\n');
    if (payload)
        *payload++ = '\0';
    char *id = strstr(datagram, " id=");
    if (id) { /* of MSG, and of OK while we are unknown */
        snprintf(answer, sizeof(answer), "ACK %s", id + 4);
        say(answer);
        *id = '\0';
    }
    if (strncmp(datagram, "MSG ", 4) == 0 && strcmp(datagram + 4, COMMAND) == 0 && payload) {
        if (strcmp(payload, "on") == 0)
            digitalWrite(LED_PIN, HIGH);
        else if (strcmp(payload, "off") == 0)
            digitalWrite(LED_PIN, LOW);
    } else if (strncmp(datagram, "ACK ", 4) == 0) {
        unsigned long done = strtoul(datagram + 4, NULL, 10);
        if (temperature.id == done)
            temperature.tries = 0;
        if (humidity.id == done)
            humidity.tries = 0;
    } else if (strncmp(datagram, "ERR", 3) == 0 || strcmp(datagram, "BYE") == 0) {
        Serial.println(datagram);
        subscribe(); /* siotd has been restarted, or has forgotten us */
    }
}

static void hear()
{
    char datagram[200];
    while (udp.parsePacket() > 0) {
        int len = udp.read((uint8_t *)datagram, sizeof(datagram) - 1);
        if (len > 0) {
            datagram[len] = '\0';
            take(datagram);
        }
    }
}

void setup()
{
    pinMode(LED_PIN, OUTPUT);
    sensor.begin();
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    while (WiFi.status() != WL_CONNECTED)
        delay(200);
    udp.begin(0);
    last_id = esp_random() % 1000000 * 1000; /* not the ids of before a restart */
    pinged_ms = millis();
    subscribe();
}

void loop()
{
    hear();
    if (measured_ms == 0 || millis() - measured_ms >= INTERVAL_MS) {
        measured_ms = millis();
        publish(&temperature, "sensors/hall/temperature", sensor.readTemperature());
        publish(&humidity, "sensors/hall/humidity", sensor.readHumidity());
    }
    resend(&temperature);
    resend(&humidity);
    if (millis() - pinged_ms >= PING_MS) {
        pinged_ms = millis();
        say("PING");
    }
    delay(20);
}
