/* PubSubClient: the same names, written for these tests (MQTT 3.1.1). */
#ifndef STUB_PUBSUB_CLIENT_H
#define STUB_PUBSUB_CLIENT_H

#include "WiFi.h"

typedef void (*PubSubCallback)(char *topic, uint8_t *payload, unsigned int len);

class PubSubClient
{
  public:
    explicit PubSubClient(WiFiClient &client) : net(client)
    {
    }
    void setServer(const char *server_host, int server_port)
    {
        host = server_host;
        port = server_port;
    }
    void setCallback(PubSubCallback taken)
    {
        callback = taken;
    }
    bool connect(const char *id);
    bool connected()
    {
        return in_session;
    }
    bool publish(const char *topic, const char *payload, bool retained);
    bool subscribe(const char *topic, uint8_t qos);
    void loop();

  private:
    bool packet(uint8_t first, const std::string &body);
    bool take(uint8_t *first, std::string *body);
    bool exactly(uint8_t *to, size_t len);
    void deal(uint8_t first, std::string &body);
    void lost();

    WiFiClient &net;
    const char *host = nullptr;
    int port = 0;
    PubSubCallback callback = nullptr;
    bool in_session = false;
    unsigned long spoke_ms = 0;
};

#endif
