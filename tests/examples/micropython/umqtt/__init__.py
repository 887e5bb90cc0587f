"""umqtt, MicroPython's MQTT client."""
