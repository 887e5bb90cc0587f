/* DHT: Adafruit's class; this sensor does not answer the second time it is asked. */
#ifndef STUB_DHT_H
#define STUB_DHT_H

#include "Arduino.h"

enum { DHT22 = 22 };

class DHT
{
  public:
    DHT(int, int)
    {
    }
    void begin()
    {
    }
    float readTemperature()
    {
        asked++;
        return asked == 2 ? NAN : asked > 2 ? 22.54f : 21.54f;
    }
    float readHumidity()
    {
        return asked == 2 ? NAN : 48.0f;
    }

  private:
    int asked = 0;
};

#endif
