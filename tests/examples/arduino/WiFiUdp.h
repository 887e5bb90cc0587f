/* WiFiUdp: datagrams. */
#ifndef STUB_WIFI_UDP_H
#define STUB_WIFI_UDP_H

#include "Arduino.h"

class WiFiUDP
{
  public:
    void begin(int port);
    void beginPacket(const char *host, int port);
    void write(const uint8_t *from, size_t len);
    void endPacket();
    int parsePacket(); /* bytes of the next one, which read() gives; 0: there is none */
    int read(uint8_t *to, size_t len);

  private:
    int fd = -1, port = 0;
    std::string host, out;
    uint8_t in[2048];
    int in_len = 0;
};

#endif
