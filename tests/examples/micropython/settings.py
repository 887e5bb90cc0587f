"""The settings of a test, with every name that examples/micropython/settings.py has."""

import os

WIFI_NAME = "test"
WIFI_PASSWORD = "test"
BROKER = "127.0.0.1"
PORT = int(os.environ["BROKER_PORT"])
PLACE = "hall"
SENSOR_PIN = 4
LED_PIN = 2
INTERVAL_MS = 500
CA = os.environ.get("BROKER_CA")
CERTIFICATE = os.environ.get("BOARD_CERTIFICATE")
KEY = os.environ.get("BOARD_KEY")
