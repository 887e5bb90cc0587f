"""What all four scripts have in common: the network, the sensor and the LED."""

import dht
import machine
import network
import settings
import time

led = machine.Pin(settings.LED_PIN, machine.Pin.OUT)
sensor = dht.DHT22(machine.Pin(settings.SENSOR_PIN))


def join():
    """Waits until the board is in the network."""
    station = network.WLAN(network.STA_IF)
    station.active(True)
    if not station.isconnected():
        station.connect(settings.WIFI_NAME, settings.WIFI_PASSWORD)
    while not station.isconnected():
        time.sleep_ms(200)


def measure():
    """[(topic, text)] of one reading; empty when the sensor does not answer."""
    try:
        sensor.measure()
    except OSError:
        return []
    place = "sensors/" + settings.PLACE
    return [(place + "/temperature", "%.1f" % sensor.temperature()),
            (place + "/humidity", "%.1f" % sensor.humidity())]


def command_topic():
    return "commands/" + settings.PLACE + "/led"


def obey(text):
    """b"on" and b"off" switch the LED; anything else is not meant for it."""
    if text == b"on":
        led.value(1)
    elif text == b"off":
        led.value(0)


class Interval:
    """Says when the next reading is due; the first one is at once."""

    def __init__(self, ms):
        self.ms = ms
        self.last = None

    def is_over(self):
        now = time.ticks_ms()
        if self.last is not None and time.ticks_diff(now, self.last) < self.ms:
            return False
        self.last = now
        return True
