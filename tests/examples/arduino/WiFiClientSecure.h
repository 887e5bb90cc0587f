/* WiFiClientSecure: TLS that verifies the broker, as an ESP32's does; on wolfSSL. */
#ifndef STUB_WIFI_CLIENT_SECURE_H
#define STUB_WIFI_CLIENT_SECURE_H

#include "WiFi.h"

class WiFiClientSecure : public WiFiClient
{
  public:
    void setCACert(const char *pem)
    {
        authority = pem;
    }
    void setCertificate(const char *pem)
    {
        certificate = pem;
    }
    void setPrivateKey(const char *pem)
    {
        key = pem;
    }
    bool connect(const char *host, int port) override;
    int available() override;
    int read(uint8_t *to, size_t len) override;
    size_t write(const uint8_t *from, size_t len) override;
    void stop() override;

  private:
    const char *authority = nullptr, *certificate = nullptr, *key = nullptr;
    void *profile = nullptr, *ssl = nullptr;
};

#endif
