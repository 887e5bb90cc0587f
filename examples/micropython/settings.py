"""What is different in every house. Copy this file to the board next to the script."""

WIFI_NAME = "my network"
WIFI_PASSWORD = "my password"

BROKER = "192.168.1.10"  # with TLS: a name or address that stands in the broker's certificate
PORT = None              # None: the protocol's own

PLACE = "hall"           # topics are sensors/hall/... and commands/hall/led
SENSOR_PIN = 4           # data line of the DHT22
LED_PIN = 2              # the blue LED of most boards
INTERVAL_MS = 10000      # a DHT22 can be asked every 2 s at most

# With TLS. DER, as MicroPython wants it: openssl x509 -in pki/ca.pem -outform DER -out ca.der
CA = "ca.der"
# A certificate of the board's own, or None: openssl x509 ... ; openssl pkey -in ... -outform DER
CERTIFICATE = None
KEY = None
