"""A DHT22 and an LED on MQTT. Needs umqtt.simple: import mip; mip.install("umqtt.simple")."""

import binascii
import machine
import settings
import time
from umqtt.simple import MQTTClient

import board

KEEP_ALIVE_S = 60


def options():
    """How this script reaches the broker; mqtt_tls.py has other ones."""
    return {"port": settings.PORT or 1883}


def take(topic, message):
    if topic == board.command_topic().encode():
        board.obey(message)


def connect(more):
    name = "esp32-" + binascii.hexlify(machine.unique_id()).decode()
    client = MQTTClient(name, settings.BROKER, keepalive=KEEP_ALIVE_S, **more)
    client.set_callback(take)
    client.connect()
    client.subscribe(board.command_topic().encode(), 1)
    return client


def run(client):
    """Until the connection is lost, which is an OSError."""
    readings, pings = board.Interval(settings.INTERVAL_MS), board.Interval(KEEP_ALIVE_S * 500)
    while True:
        client.check_msg()
        if readings.is_over():
            for topic, text in board.measure():
                client.publish(topic.encode(), text.encode(), True)
        if pings.is_over():
            client.ping()
        time.sleep_ms(50)


def main(more):
    while True:
        board.join()
        try:
            run(connect(more))
        except OSError as error:
            print("mqtt:", error)
            time.sleep_ms(3000)


if __name__ == "__main__":
    main(options())
