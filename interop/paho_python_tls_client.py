"""Paho Python over TLS, see tls_tools.py: PORT TOPIC CA [CERTIFICATE KEY].

Subscribes to TOPIC/in, says "ready", publishes "from TLS" to TOPIC/out, says "heard ..." of the
first message and ends.
"""

import sys
import threading

import paho.mqtt.client as paho

port, topic, ca, *own = sys.argv[1:]
subscribed, heard = threading.Event(), threading.Event()
arguments = {}
if hasattr(paho, "CallbackAPIVersion"):
    arguments["callback_api_version"] = paho.CallbackAPIVersion.VERSION1
client = paho.Client(**arguments)
client.tls_set(ca, *own)


def on_message(_client, _user, message):
    print(f"heard {message.payload.decode()}", flush=True)
    heard.set()


client.on_subscribe = lambda *rest: subscribed.set()
client.on_connect = lambda *rest: client.subscribe(f"{topic}/in", 1)
client.on_message = on_message
client.connect("localhost", int(port))
client.loop_start()
if not subscribed.wait(10):
    sys.exit("not subscribed within 10 s")
print("ready", flush=True)
client.publish(f"{topic}/out", "from TLS", 1).wait_for_publish(10)
arrived = heard.wait(10)
client.disconnect()
client.loop_stop()
sys.exit(0 if arrived else 1)
