"""The encoding of text files: as the user says, or by a byte-order mark, or UTF-8; anything else is refused.

A file that isn't UTF-8 must not be read as if it were: only its rows in plain ASCII would be left, and nobody would
notice. Nor is an encoding guessed, as a wrong guess changes letters. The error names the likely encoding, with a line
as it would then be read.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sparse_autoencoder.data.row_skip_rules import NOT_UNICODE, Record, Row
from sparse_autoencoder.errors import DataError, SaescopeError

MARK_UNDECODABLE = "mark_undecodable"
"""The error handler that decodes each byte that the encoding doesn't have into a lone surrogate."""

_BYTE_ORDER_MARKS = (  # longest first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (b"\x84\x31\x95\x33", "gb18030"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WITHOUT_MARK = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_USUAL = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "koi8-r", "shift-jis", "gb18030", "euc-kr", "mac-roman")
_GUESSES = 3
_GUESSED_BYTES = 2**16  # the guess takes time in proportion
_LEAST_UNDECODABLE = 20  # rows, before an encoding that seemed right at first is given up
_SHOWN_CHARS = 60


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # as surrogateescape does it; but in UTF-16 any byte may be wrong, and that takes only those from 0x80 on
    return "".join(chr(0xDC00 + max(byte, 0x80)) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARK_UNDECODABLE, _mark_undecodable)


def checked_encoding(name: str) -> str:
    """The name of a text encoding as Python spells it; SaescopeError if Python has none of that name."""
    try:
        found = codecs.lookup(name)
        "a".encode(name)  # refuses what isn't a text encoding, such as base64
        if b"a\n".decode(found.name, MARK_UNDECODABLE) is None:  # pragma: no cover
            raise LookupError
    except (LookupError, ValueError, TypeError) as error:
        raise SaescopeError(
            f"there is no text encoding {name!r}; some that there are: utf-8, utf-16, cp1252, latin-1, cp1251, "
            "shift_jis, gb18030"
        ) from error
    return found.name


def encoding_of(start: bytes, whole: bool, wanted: str | None, name: str) -> str:
    """The encoding to read a text with, from its first bytes; `whole` says whether these are all.

    Raises SaescopeError if the text isn't in the wanted encoding, or, without one, has no byte-order mark and most of
    its lines in other than ASCII characters aren't UTF-8.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
    if wanted is not None:
        encoding = checked_encoding(wanted)
        family = encoding.removesuffix("-le").removesuffix("-be")
        if marked is not None and family != marked.removesuffix("-sig"):
            raise SaescopeError(
                f"{name} begins with the byte-order mark of {marked.removesuffix('-sig')}: leave out --encoding "
                f"{wanted}"
            )
        if marked is None and encoding in ("utf-16", "utf-32"):
            raise SaescopeError(
                f"{name} has no byte-order mark, so {encoding} isn't enough: say {encoding}-le or {encoding}-be"
            )
        return marked or encoding
    if marked is not None:
        return marked
    if b"\0" in start and (likely := _without_mark(start)):
        raise DataError(
            f"{name} looks like {likely.upper()} without a byte-order mark: say so with --encoding {likely}"
        )
    lines = [line for line in _lines(start, whole) if not line.isascii()]
    bad = [line for line in lines if not _is_utf8(line)]
    if bad and 2 * len(bad) >= len(lines):
        raise DataError(f"{name} isn't UTF-8: {_advice(bad)}")
    return "utf-8"


@dataclass
class DecodingCheck:
    """Looks at the records of a text while it is read, for an encoding that turns out to be wrong later on."""

    name: str
    encoding: str
    forced: bool
    _good = 0
    _bad = 0

    def checked(self, records: Iterator[Record]) -> Iterator[Record]:
        """The records; SaescopeError once most of those with other than ASCII characters can't be decoded."""
        for record in records:
            if isinstance(record, Row):
                self._good += not record.text.isascii()
            elif record.reason == NOT_UNICODE:
                self._bad += 1
                if not self.forced and self._bad >= max(_LEAST_UNDECODABLE, self._good):
                    raise DataError(
                        f"{self.name} isn't {self.encoding.removesuffix('-sig').upper()}: of its first "
                        f"{record.row_id + 1:,} rows {self._bad:,} can't be decoded, and of the others only "
                        f"{self._good:,} have any character beyond ASCII; say what it is with --encoding, or "
                        f"--encoding {self.encoding.removesuffix('-sig')} to leave such rows out"
                    )
            yield record


def _lines(start: bytes, whole: bool) -> list[bytes]:
    """The complete lines; the last may be cut within a character."""
    lines = re.split(b"[\r\n]+", start)
    return lines if whole or len(lines) == 1 else lines[:-1]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and len(line) - error.start < 4 and error.end == len(line)
    return True


def _without_mark(start: bytes) -> str | None:
    """The UTF-16 or UTF-32 that bytes with NULs are in; None if they are in none."""
    for encoding in _WITHOUT_MARK:
        try:
            text = start[: len(start) // 4 * 4].decode(encoding)
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                continue
            text = start[: error.start].decode(encoding)
        if text and "\0" not in text and sum(map(_is_usual, text)) > 0.9 * len(text):
            return encoding
    return None


def _is_usual(char: str) -> bool:
    return char.isprintable() or char in "\t\r\n"


def _advice(bad: list[bytes]) -> str:
    skip = "or --encoding utf-8 to leave out the rows that aren't"
    likely = _likely(b"\n".join(bad)[:_GUESSED_BYTES])
    if not likely:
        return f"no encoding fits the line {bad[0][:_SHOWN_CHARS]!r}; say which one with --encoding, {skip}"
    readings = [
        f"{encoding}, in which a line reads {bad[0].decode(encoding, 'replace').strip()[:_SHOWN_CHARS]!r}"
        for encoding in likely
    ]
    return f"it is likely {', or '.join(readings)}; name the right one, as in --encoding {likely[0]}, {skip}"


def _likely(sample: bytes) -> list[str]:
    """The most likely encodings, best first; of those that give the same text, the most usual one."""
    from charset_normalizer import from_bytes  # imported here because few files need it

    found: dict[str, str] = {}  # encoding by text
    guesses = [guess for guess in from_bytes(sample) if not guess.encoding.startswith("utf")]  # which was looked at
    for guess in guesses[:_GUESSES]:
        text = sample.decode(guess.encoding, "replace")
        same = [encoding for encoding in _USUAL if sample.decode(encoding, "replace") == text]
        found.setdefault(text, (same or [guess.encoding.replace("_", "-")])[0])
    return sorted(found.values(), key=lambda encoding: encoding != _USUAL[0])
