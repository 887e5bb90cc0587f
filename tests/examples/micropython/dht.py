"""dht of MicroPython: a sensor that does not answer the second time it is asked."""


class DHT22:
    def __init__(self, pin):
        self.pin, self.asked = pin, 0

    def measure(self):
        self.asked += 1
        if self.asked == 2:
            raise OSError(110, "ETIMEDOUT")

    def temperature(self):
        return 21.54 + (self.asked > 2)

    def humidity(self):
        return 48.0
