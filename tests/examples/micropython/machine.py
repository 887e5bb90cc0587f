"""machine of MicroPython, as far as the examples use it: what a pin is set to is printed."""


class Pin:
    IN, OUT = 0, 1

    def __init__(self, number, mode=IN):
        self.number, self.mode = number, mode

    def value(self, level):
        assert self.mode == Pin.OUT
        print(f"pin {self.number} = {level}", flush=True)


def unique_id():
    return b"\x24\x0a\xc4\x00\x00\x01"
