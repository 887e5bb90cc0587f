/* Arduino: what of an ESP32's core the examples use, on a computer. What a pin is set to is
 * printed.
 */
#ifndef STUB_ARDUINO_H
#define STUB_ARDUINO_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>

enum { LOW, HIGH, INPUT, OUTPUT };

void setup();
void loop();

unsigned long millis();
void delay(unsigned long ms);
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);
uint32_t esp_random();

struct String : std::string {
    using std::string::string;
};

struct SerialPort {
    void println(const char *text)
    {
        fprintf(stderr, "%s\n", text);
    }
};
extern SerialPort Serial;

#endif
