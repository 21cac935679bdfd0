"""Just enough DER to write wrong requests byte by byte and to read answers byte by byte. Standard library only.

Written for the tests alone: a server that shared this reader with us would prove nothing.
"""

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, GENERALIZED_TIME, SEQUENCE, SET = 0x0C, 0x18, 0x30, 0x31


def context(number, constructed=True):
    """The identifier octet of [number]."""
    return 0x80 | (0x20 if constructed else 0) | number


def tlv(tag, *contents):
    """One element: identifier, shortest length, contents."""
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*contents):
    return tlv(SEQUENCE, *contents)


def integer(value):
    """Shortest two's complement."""
    size = max(1, (value if value >= 0 else ~value).bit_length() // 8 + 1)
    return tlv(INTEGER, value.to_bytes(size, "big", signed=True))


def octets(value):
    return tlv(OCTET_STRING, value)


def oid(dotted):
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(groups))
    return tlv(OID, body)


class Element:
    """One parsed element; `raw` is the whole of it, `body` its contents."""

    def __init__(self, data, start, end):
        if end - start < 2:
            raise ValueError("truncated header")
        self.tag = data[start]
        if self.tag & 0x1F == 0x1F:
            raise ValueError("tag numbers above 30 are not expected")
        size, at = data[start + 1], start + 2
        if size & 0x80:
            count = size & 0x7F
            digits = data[at:at + count]
            if count == 0 or len(digits) != count or digits[0] == 0:
                raise ValueError("indefinite or padded length")
            size, at = int.from_bytes(digits, "big"), at + count
            if size < 0x80:
                raise ValueError("long form of a short length")
        if at + size > end:
            raise ValueError("truncated contents")
        self.raw, self.body, self.end = data[start:at + size], data[at:at + size], at + size

    def children(self):
        """The elements inside a constructed one."""
        if not self.tag & 0x20:
            raise ValueError(f"tag {self.tag:#04x} is primitive")
        found, at = [], 0
        while at < len(self.body):
            element = Element(self.body, at, len(self.body))
            found.append(element)
            at = element.end
        return found

    def int(self):
        self.expect(INTEGER)
        if len(self.body) > 1 and (self.body[0], self.body[1] >> 7) in ((0x00, 0), (0xFF, 1)):
            raise ValueError("INTEGER is not minimal")
        return int.from_bytes(self.body, "big", signed=True)

    def expect(self, tag):
        if self.tag != tag:
            raise ValueError(f"tag {self.tag:#04x} where {tag:#04x} was expected")
        return self


def parse(data):
    """The one element that `data` is; trailing bytes are an error."""
    element = Element(data, 0, len(data))
    if element.end != len(data):
        raise ValueError(f"{len(data) - element.end} trailing bytes")
    return element
