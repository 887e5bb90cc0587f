/* A DHT22 and an LED on MQTT over TLS: the broker is who its certificate says, and nobody on the
 * way can read along. With a certificate of its own (certificates.h) the board shows who it is as
 * well. Libraries: "DHT sensor library" (Adafruit), PubSubClient (Nick O'Leary). */
#include <Arduino.h>
#include <DHT.h>
#include <PubSubClient.h>
#include <WiFi.h>
#include <WiFiClientSecure.h>

#ifndef BROKER /* what is different in every house */
#define WIFI_NAME     "my network"
#define WIFI_PASSWORD "my password"
#define BROKER        "192.168.1.10" /* a name or address that stands in its certificate */
#define PORT          8883
#define INTERVAL_MS   10000 /* a DHT22 can be asked every 2 s at most */
#include "certificates.h"   /* AUTHORITY, and CERTIFICATE and KEY, or NULL */
#endif

static const int SENSOR_PIN = 4, LED_PIN = 2;
static const char COMMAND[] = "commands/hall/led";

static DHT sensor(SENSOR_PIN, DHT22);
static WiFiClientSecure wifi;
static PubSubClient client(wifi);
static unsigned long measured_ms;

/* "on" and "off" switch the LED; anything else is not meant for it. */
static void obey(char *topic, uint8_t *payload, unsigned int len)
{
    if (strcmp(topic, COMMAND) != 0)
        return;
    if (len == 2 && memcmp(payload, "on", 2) == 0)
        digitalWrite(LED_PIN, HIGH);
    else if (len == 3 && memcmp(payload, "off", 3) == 0)
        digitalWrite(LED_PIN, LOW);
}

static void join()
{
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    while (WiFi.status() != WL_CONNECTED)
        delay(200);
}

static void connect()
{
    char name[40];
    snprintf(name, sizeof(name), "esp32-%s", WiFi.macAddress().c_str());
    if (WiFi.status() != WL_CONNECTED)
        join();
    if (client.connect(name))
        client.subscribe(COMMAND, 1);
    else
        delay(3000);
}

static void publish(const char *topic, float value)
{
    char text[16];
    if (isnan(value))
        return; /* the sensor has not answered */
    snprintf(text, sizeof(text), "%.1f", value);
    client.publish(topic, text, true);
}

void setup()
{
    pinMode(LED_PIN, OUTPUT);
    sensor.begin();
    wifi.setCACert(AUTHORITY);
    if (CERTIFICATE) {
        wifi.setCertificate(CERTIFICATE);
        wifi.setPrivateKey(KEY);
    }
    client.setServer(BROKER, PORT);
    client.setCallback(obey);
    join();
}

void loop()
{
    if (!client.connected())
        connect();
    client.loop();
    if (measured_ms == 0 || millis() - measured_ms >= INTERVAL_MS) {
        measured_ms = millis();
        publish("sensors/hall/temperature", sensor.readTemperature());
        publish("sensors/hall/humidity", sensor.readHumidity());
    }
    delay(20);
}
