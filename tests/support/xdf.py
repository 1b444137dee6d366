"""A minimal XDF writer, after the format's specification 1.0: headers and samples."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET = 1, 2, 3, 4
_NUMPY = {"float32": "<f4", "double64": "<f8", "int16": "<i2", "int32": "<i4"}


@dataclass(frozen=True)
class XdfStream:
    name: str
    type: str
    stamps_s: np.ndarray
    samples: np.ndarray | list[list[str]]
    channel_format: str = "float32"
    fs_hz: float = 0.0
    source_id: str = "src"
    desc: str = ""
    clock_offset_s: float = field(default=0.0)

    @property
    def n_channels(self) -> int:
        return len(self.samples[0])


def write_xdf(path: Path, streams: list[XdfStream]) -> None:
    chunks = [_chunk(_FILE_HEADER, b"<info><version>1.0</version></info>")]
    for number, stream in enumerate(streams, 1):
        mark = struct.pack("<I", number)
        chunks += [_chunk(_STREAM_HEADER, mark + _header(stream).encode())]
        for at_s in (stream.stamps_s[0], stream.stamps_s[-1]):
            offset = struct.pack("<dd", at_s, stream.clock_offset_s)
            chunks.append(_chunk(_CLOCK_OFFSET, mark + offset))
        chunks.append(_chunk(_SAMPLES, mark + _samples(stream)))
    path.write_bytes(b"XDF:" + b"".join(chunks))


def _header(stream: XdfStream) -> str:
    fields = {
        "name": stream.name,
        "type": stream.type,
        "channel_count": stream.n_channels,
        "nominal_srate": stream.fs_hz,
        "channel_format": stream.channel_format,
        "source_id": stream.source_id,
    }
    inner = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in fields.items())
    return f'<?xml version="1.0"?><info>{inner}<desc>{stream.desc}</desc></info>'


def _samples(stream: XdfStream) -> bytes:
    parts = [_length(len(stream.stamps_s))]
    for stamp_s, row in zip(stream.stamps_s, stream.samples, strict=True):
        parts.append(b"\x08" + struct.pack("<d", stamp_s))
        if stream.channel_format == "string":
            texts = [str(text).encode() for text in row]
            parts += [_length(len(text)) + text for text in texts]
        else:
            parts.append(np.asarray(row, _NUMPY[stream.channel_format]).tobytes())
    return b"".join(parts)


def _chunk(tag: int, content: bytes) -> bytes:
    return _length(len(content) + 2) + struct.pack("<H", tag) + content


def _length(n: int) -> bytes:
    return b"\x04" + struct.pack("<I", n)
