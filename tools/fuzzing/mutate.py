"""Break a file: flipped bits, cuts, overwritten ranges, and wild values in JSON."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

HEAD = 512
WILD_NUMBERS: tuple[Any, ...] = (-1, 0, 1, 2**31, 2**63, 10**18, 10**30, 1.5, float("nan"), float("inf"), True)
WILD_TEXTS = ("", "../../canary/secret.tif", "{canary}", "/etc/passwd", "%s%n%d", "-rf", "A" * 300, "\0", "\ud800")


def break_bytes(data: bytes, random_: random.Random) -> bytes:
    """Apply one to three mutations to the bytes of a file."""
    for _ in range(random_.choice((1, 1, 2, 3))):
        data = random_.choice(MUTATIONS)(data, random_)
    return data


def _position(data: bytes, random_: random.Random) -> int:
    """Give a place in the file; half of the time in its first or last bytes, where formats keep their structure."""
    where = random_.random()
    if where < 0.35:
        return random_.randrange(min(HEAD, len(data)))
    if where < 0.5:
        return len(data) - 1 - random_.randrange(min(HEAD, len(data)))
    return random_.randrange(len(data))


def flip_bits(data: bytes, random_: random.Random) -> bytes:
    """Flip up to 32 bits."""
    broken = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 8, 32)) if broken else 0):
        broken[_position(data, random_)] ^= 1 << random_.randrange(8)
    return bytes(broken)


def cut_end(data: bytes, random_: random.Random) -> bytes:
    """Truncate the file."""
    return data[: random_.randrange(len(data))] if data else data


def cut_middle(data: bytes, random_: random.Random) -> bytes:
    """Take out a range."""
    if not data:
        return data
    start = _position(data, random_)
    return data[:start] + data[start + random_.choice((1, 4, 100, 4096)) :]


def overwrite(data: bytes, random_: random.Random) -> bytes:
    """Overwrite a range with zeros, ones or noise."""
    if not data:
        return data
    start = _position(data, random_)
    size = min(random_.choice((1, 4, 8, 64, 1024)), len(data) - start)
    filling = random_.choice((b"\0" * size, b"\xff" * size, random_.randbytes(size)))
    return data[:start] + filling + data[start + size :]


def repeat(data: bytes, random_: random.Random) -> bytes:
    """Insert a range a second time."""
    if not data:
        return data
    start = _position(data, random_)
    size = random_.choice((1, 16, 1024))
    return data[:start] + data[start : start + size] + data[start:]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits,
    flip_bits,
    cut_end,
    cut_middle,
    overwrite,
    repeat,
)


def break_json(text: str, random_: random.Random, canary: Path) -> str:
    """Replace, drop or add one value of a JSON document; the document stays valid JSON."""
    document = json.loads(text)
    places = list(_places(document))
    if not places:
        return json.dumps(_wild(random_, canary))
    container, key = random_.choice(places)
    if random_.random() < 0.2:
        del container[key]
    else:
        container[key] = _wild(random_, canary)
    return json.dumps(document)


def _wild(random_: random.Random, canary: Path) -> Any:
    kind = random_.random()
    if kind < 0.45:
        return random_.choice(WILD_NUMBERS)
    if kind < 0.85:
        return random_.choice(WILD_TEXTS).replace("{canary}", str(canary))
    return random_.choice((None, [], {}, [10**12, 10**12], [[[[]]]], {"a": {}}))


def _places(node: Any) -> list[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    found = [(node, key) for key in keys]
    for key in keys:
        found.extend(_places(node[key]))
    return found


def break_path(path: Path, random_: random.Random, canary: Path) -> str:
    """Break a file, or one or two files of a folder; give a description of what was done."""
    files = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    done = []
    for target in random_.sample(files, k=min(len(files), random_.choice((1, 1, 2)))):
        if path.is_dir() and random_.random() < 0.08:
            target.unlink()
            done.append(f"{target.name} removed")
            continue
        data = target.read_bytes()
        if _looks_like_json(data) and random_.random() < 0.6:
            target.write_bytes(break_json(data.decode(), random_, canary).encode("utf-8", "surrogatepass"))
            done.append(f"a value of {target.name} replaced")
            continue
        target.write_bytes(break_bytes(data, random_))
        done.append(f"{target.name} damaged")
    return ", ".join(done)


def break_meaning(path: Path, random_: random.Random, canary: Path) -> str:
    """Replace values in the manifest or journal of a session and sign the lines again: well formed, and nonsense."""
    run = path / "run"
    target = random_.choice([run / "session.json", run / "journal.jsonl", run / "journal.jsonl"])
    if target.name == "session.json":
        target.write_bytes(break_json(target.read_text(), random_, canary).encode("utf-8", "surrogatepass"))
        return "a value of session.json replaced"
    lines = target.read_bytes().splitlines()
    for _ in range(random_.choice((1, 1, 3))):
        number = random_.randrange(len(lines))
        text = break_json(lines[number][9:].decode(), random_, canary).encode("ascii", "backslashreplace")
        lines[number] = b"%08x %s" % (zlib.crc32(text), text)
    target.write_bytes(b"\n".join(lines) + b"\n")
    return "values of the journal replaced"


def _looks_like_json(data: bytes) -> bool:
    if data[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
