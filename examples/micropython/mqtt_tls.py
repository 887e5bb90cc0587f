"""mqtt.py over TLS: the broker is who its certificate says, and nobody on the way can read along.

With CERTIFICATE and KEY in settings.py the board shows who it is as well."""

import settings
import ssl

import mqtt


def options():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    with open(settings.CA, "rb") as file:
        context.load_verify_locations(cadata=file.read())
    if settings.CERTIFICATE:
        context.load_cert_chain(settings.CERTIFICATE, settings.KEY)
    return {"port": settings.PORT or 8883, "ssl": context}


if __name__ == "__main__":
    mqtt.main(options())
