/* WiFi: a station that needs a moment, and TCP. */
#ifndef STUB_WIFI_H
#define STUB_WIFI_H

#include "Arduino.h"

enum { WL_DISCONNECTED, WL_CONNECTED };

struct Station {
    bool begun = false;
    int asked = 0;
    void begin(const char *, const char *)
    {
        begun = true;
    }
    int status()
    {
        return begun && ++asked > 2 ? WL_CONNECTED : WL_DISCONNECTED;
    }
    String macAddress()
    {
        return "24:0A:C4:00:00:01";
    }
};
extern Station WiFi;

/* Of a client only what PubSubClient asks of it. */
class WiFiClient
{
  public:
    virtual ~WiFiClient()
    {
    }
    virtual bool connect(const char *host, int port);
    virtual int available(); /* bytes to be read, at least whether; -1 at the end */
    virtual int read(uint8_t *to, size_t len);
    virtual size_t write(const uint8_t *from, size_t len);
    virtual void stop();

  protected:
    int fd = -1;
};

#endif
