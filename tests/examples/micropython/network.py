"""network of MicroPython: a station that needs a moment."""

STA_IF = 0


class WLAN:
    def __init__(self, _):
        self.joined, self.asked = False, 0

    def active(self, _):
        pass

    def connect(self, name, password):
        assert name and password
        self.joined = True

    def isconnected(self):
        self.asked += 1
        return self.joined and self.asked > 2
