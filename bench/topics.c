/* Names only. The devices of the many filters stand in sites of a thousand, as they would in a
 * building: site/00012/dev/0012345/sensor/temp. */
#include "bench/topics.h"

#include <stdio.h>

enum {
    DEVICES_PER_SITE = 1000,
    SITE_AT = 5,
    SITE_DIGITS = 5,
    DEVICE_AT = 15,
    DEVICE_DIGITS = 7,
    RETAINED_AT = 15,
    RETAINED_DIGITS = 7,
};

size_t topics_pair(uint32_t n, char *text)
{
    return (size_t)snprintf(text, TOPICS_MAX, "bench/pair/%05u", n);
}

size_t topics_fan(uint32_t n, char *text)
{
    (void)n;
    return (size_t)snprintf(text, TOPICS_MAX, "bench/fan");
}

size_t topics_device(uint32_t device, char *text)
{
    return (size_t)snprintf(text, TOPICS_MAX, "site/%05u/dev/%07u/sensor/temp",
                            device / DEVICES_PER_SITE, device);
}

size_t topics_filter(uint32_t n, char *text)
{
    uint32_t device = n / 2, site = device / DEVICES_PER_SITE;

    if (n % 2 == 0)
        return topics_device(device, text);
    switch (device % 3) {
    case 0:
        return (size_t)snprintf(text, TOPICS_MAX, "site/+/dev/%07u/sensor/temp", device);
    case 1:
        return (size_t)snprintf(text, TOPICS_MAX, "site/%05u/dev/%07u/sensor/#", site, device);
    default:
        return (size_t)snprintf(text, TOPICS_MAX, "+/%05u/dev/%07u/sensor/temp", site, device);
    }
}

static void set_digits(uint8_t *at, int digits, uint32_t n)
{
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + n % 10);
        n /= 10;
    }
}

void topics_set_device(uint8_t *topic, uint32_t device)
{
    set_digits(topic + SITE_AT, SITE_DIGITS, device / DEVICES_PER_SITE);
    set_digits(topic + DEVICE_AT, DEVICE_DIGITS, device);
}

size_t topics_retained(uint32_t n, char *text)
{
    return (size_t)snprintf(text, TOPICS_MAX, "bench/retained/%07u/state", n);
}

void topics_set_retained(uint8_t *topic, uint32_t n)
{
    set_digits(topic + RETAINED_AT, RETAINED_DIGITS, n);
}

size_t topics_all_retained(uint32_t n, char *text)
{
    (void)n;
    return (size_t)snprintf(text, TOPICS_MAX, "bench/retained/#");
}
