"""Writes DER (X.690), so that the tests can make certificates that no proper tool would make."""

import calendar
import time

# Tags.
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 1, 2, 3, 4, 5, 6
UTF8, PRINTABLE, IA5, UTC_TIME, GENERAL_TIME = 12, 19, 22, 23, 24
SEQUENCE, SET = 0x30, 0x31


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts):
    return tlv(SEQUENCE, *parts)


def integer(value):
    """Two's complement, as short as it goes."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def boolean(value):
    return tlv(BOOLEAN, b"\xff" if value else b"\0")


def bits(content, unused=0):
    return tlv(BIT_STRING, bytes([unused]), content)


def octets(content):
    return tlv(OCTET_STRING, content)


def oid(text):
    first, second, *rest = map(int, text.split("."))
    body = bytearray([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        body += bytes(reversed(groups))
    return tlv(OID, bytes(body))


def date(seconds):
    """RFC 5280 section 4.1.2.5: UTCTime until 2049, GeneralizedTime from then on."""
    moment = time.gmtime(seconds)
    if moment.tm_year < 2050:
        return tlv(UTC_TIME, time.strftime("%y%m%d%H%M%SZ", moment).encode())
    return tlv(GENERAL_TIME, time.strftime("%Y%m%d%H%M%SZ", moment).encode())


def year(number):
    return calendar.timegm((number, 1, 1, 0, 0, 0))


def elements(encoded, start=0, depth=0):
    """Where each element of an encoding stands, outermost first: (offset of its tag, depth). Goes
    into what is constructed, and into octet strings that hold an encoding themselves."""
    at = start
    while at < len(encoded):
        tag, length, header = encoded[at], encoded[at + 1], 2
        if length & 0x80:
            count = length & 0x7F
            header += count
            length = int.from_bytes(encoded[at + 2:at + 2 + count], "big")
        yield at, depth
        if tag & 0x20:
            yield from elements(encoded[:at + header + length], at + header, depth + 1)
        at += header + length
