"""Object files into memory without LLVM: those that LLVM makes for x86-64 on Linux.

They hold machine code, constants, and places that need an address.  Whatever else there is in one
raises `Unknown`, and LLVM's own linker takes it.  Memory is writable first and executable then,
never both.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from binascii import a2b_base64
from functools import lru_cache
from zlib import decompress

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QIIq")  # offset, kind, symbol, addend
NOTHING, BYTES, SYMBOLS, STRINGS, RELOCATIONS, NOTE, UNWIND = 0, 1, 2, 3, 4, 7, 0x70000001
WRITABLE, LOADED, CODE, PLAIN = 1, 2, 4, 0x1 | 0x2 | 0x4 | 0x10 | 0x20  # and mergeable, strings
ABSOLUTE, PC32, PLT32, GOTPCREL, PC64, GOTPCRELX, REX_GOTPCRELX = 1, 2, 4, 9, 24, 41, 42
FIXES = {ABSOLUTE: 8, PC32: 4, PLT32: 4, GOTPCREL: 4, PC64: 8, GOTPCRELX: 4, REX_GOTPCRELX: 4}
LOCAL, FUNCTION = 0, 2  # of symbols; other kinds: nothing 0, object 1, section 3
PAGE = mmap.PAGESIZE
JUMP = b"\xff\x25"  # jmp [rip + …]


class Unknown(Exception):
    """An object file, or a machine, that is not for this loader."""


class Piece:
    """A section that is loaded: its bytes are ``image[start:start + size]`` of the object."""

    __slots__ = ("start", "size", "align", "code")

    def __init__(self, start, size, align, code):
        self.start, self.size, self.align, self.code = start, size, align, code


class Object:
    """An object file, read: `pieces` by the numbers of their sections; `symbols`: (name, section,
    value, public); `fixes`: (section, offset, kind, symbol, addend)."""

    def __init__(self, image):
        self.image, self.pieces, self.symbols, self.fixes = image, {}, [], []
        self.read()

    def read(self):
        image = self.image
        ident, kind, machine, _, _, _, at, _, _, _, _, each, count, _ = HEADER.unpack_from(image)
        if ident[:7] != b"\x7fELF\x02\x01\x01" or (kind, machine, each) != (1, 62, SECTION.size):
            raise Unknown("no object for x86-64")
        sections = [SECTION.unpack_from(image, at + k * each) for k in range(count)]
        tables = []
        for k, (_, kind, flags, _, start, size, _, _, align, _) in enumerate(sections):
            if kind in (STRINGS, NOTHING, UNWIND, NOTE):
                continue
            if start + size > len(image):
                raise Unknown("a section outside the file")
            if kind == SYMBOLS:
                tables.append(k)
            elif kind == BYTES and flags & LOADED and size:
                if flags & WRITABLE or flags & ~PLAIN or max(align, 1) > PAGE:
                    raise Unknown(f"a section with flags {flags:#x}")
                self.pieces[k] = Piece(start, size, max(align, 1), bool(flags & CODE))
            elif kind not in (BYTES, RELOCATIONS) and flags & LOADED and size:
                raise Unknown(f"a section of kind {kind}")
        for k in tables:
            self.read_symbols(sections[k], sections[sections[k][6]])
        for s in sections:
            if s[1] == RELOCATIONS and s[7] in self.pieces:
                if s[6] not in tables or len(tables) != 1 or s[5] % RELOCATION.size:
                    raise Unknown("no table of symbols for the relocations")
                body = memoryview(image)[s[4]:s[4] + s[5]]
                self.fixes += [(s[7], *fix) for fix in RELOCATION.iter_unpack(body)]

    def read_symbols(self, table, strings):
        image = self.image
        names = image[strings[4]:strings[4] + strings[5]]
        if table[5] % SYMBOL.size:
            raise Unknown("a broken table of symbols")
        for name, info, _, section, value, _ in SYMBOL.iter_unpack(
                memoryview(image)[table[4]:table[4] + table[5]]):
            text = names[name:names.index(0, name)].decode()
            public = info >> 4 != LOCAL
            if info & 15 > 4 or info >> 4 > 2:  # thread-local, resolved at load time …
                section = None
            self.symbols.append((text, section, value, public))


class Image:
    """Object files in memory; ``image[name]`` is the address of one of their functions.

    The memory is freed with the `Image`.  Raises `Unknown` for what it cannot load.
    """

    def __init__(self, images):
        try:
            self.load(images)
        except (struct.error, IndexError, OverflowError, ValueError, OSError) as error:
            raise Unknown(f"a damaged object: {error}") from None

    def load(self, images):
        self.objects = [Object(image) for image in images]
        self.place()
        outer = self.collect()
        self.size = whole(self.constants_end + 8 * len(self.slots))
        self.memory = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                                prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self.hold = ctypes.c_char.from_buffer(self.memory)
        self.base = ctypes.addressof(self.hold)
        self.fill(outer)
        self.seal()
        del self.objects, self.at

    def __getitem__(self, name):
        return self.base + self.public[name]

    def place(self):
        """Offsets of sections: those with code first, then from a new page the others."""
        self.at, end = {}, 0
        for code in (True, False):
            for k, o in enumerate(self.objects):
                for number, p in o.pieces.items():
                    if p.code == code:
                        end += -end % p.align
                        self.at[k, number] = end
                        end += p.size
            if code:
                self.code_end = end + -end % 16
                # a jump of 8 bytes for each symbol that might be elsewhere
                names = {s[0] for o in self.objects for s in o.symbols if s[1] == 0 and s[0]}
                end = self.pages = whole(self.code_end + 8 * len(names))
        self.constants_end = end + -end % 8

    def collect(self):
        """Public names, and a slot for the address of each thing that is elsewhere."""
        self.public, self.slots = {}, {}
        for k, o in enumerate(self.objects):
            for name, section, value, public in o.symbols:
                if public and section != 0:
                    if (k, section) not in self.at or name in self.public:
                        raise Unknown(f"the symbol {name}")
                    self.public[name] = self.at[k, section] + value
        outer = {}
        for o in self.objects:
            for name, section, _, _ in o.symbols:
                if section == 0 and name and name not in self.public and name not in outer:
                    outer[name] = elsewhere(name)
                    self.slots[name] = len(self.slots)
        return outer

    def fill(self, outer):
        data, base = bytearray(self.size), self.base
        jumps = {}
        for name, k in self.slots.items():
            slot = self.constants_end + 8 * k
            data[slot:slot + 8] = struct.pack("<Q", outer[name])
            jump = jumps[name] = self.code_end + 8 * k
            data[jump:jump + 6] = JUMP + struct.pack("<i", slot - jump - 6)
        for k, o in enumerate(self.objects):
            for number, p in o.pieces.items():
                start = self.at[k, number]
                data[start:start + p.size] = o.image[p.start:p.start + p.size]
        for k, o in enumerate(self.objects):
            goals = [self.goal(k, s) for s in o.symbols]
            for section, offset, kind, symbol, addend in o.fixes:
                length = FIXES.get(kind)
                if length is None or offset + length > o.pieces[section].size or (
                        symbol >= len(goals)):
                    raise Unknown(f"a relocation of kind {kind}")
                here = self.at[k, section] + offset
                goal, name = goals[symbol], o.symbols[symbol][0]
                if kind in (GOTPCREL, GOTPCRELX, REX_GOTPCRELX):
                    if name not in self.slots:
                        raise Unknown(f"an address in a table, of {name}")
                    goal = self.constants_end + 8 * self.slots[name]
                elif goal is None:
                    if kind != PLT32 or name not in jumps:
                        raise Unknown(f"a relocation of kind {kind} to {name!r}")
                    goal = jumps[name]
                value = goal + addend + (base if kind == ABSOLUTE else -here)
                try:
                    text = struct.pack("<q" if length == 8 else "<i", value)
                except struct.error:
                    raise Unknown("an address out of reach") from None
                data[here:here + length] = text
        self.memory[:] = bytes(data)

    def goal(self, k, symbol):
        """Where a symbol is, from the base; None if it is elsewhere."""
        name, section, value, _ = symbol
        if section == 0:
            return self.public.get(name)
        start = self.at.get((k, section))
        return None if start is None else start + value

    def seal(self):
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        for start, end, how in ((0, self.pages, mmap.PROT_READ | mmap.PROT_EXEC),
                                (self.pages, self.size, mmap.PROT_READ)):
            if end > start and protect(self.base + start, end - start, how):
                raise Unknown(f"memory cannot be protected: {os.strerror(ctypes.get_errno())}")


def whole(size):
    """Bytes in whole pages."""
    return size + -size % PAGE


def elsewhere(name):
    """The address of a C function of this process."""
    try:
        return ctypes.cast(ctypes.CDLL(None)[name], ctypes.c_void_p).value
    except (AttributeError, OSError, ValueError):
        raise Unknown(f"the symbol {name}") from None


# `probe` below as LLVM 20 compiles it for any x86-64:
#     @table = private constant [4 x i64] [i64 3, i64 5, i64 7, i64 11]
#     define internal i64 @inner(i64 %k) noinline: table[k & 3] + labs(-k)
#     define i64 @probe(i64 %k): inner(k) * 2
PROBE = (
    "eNqrd/VxY2JkZIABRgY7BgQPATYgCTpASXagSsew4IDO382PmX16TUGiHt/vvwDRnsws9zyaj3BEO8YdTktL0+OXbwHr"
    "Cnhx6v///x6MByIPg/nMUDNZoTQ7lOZmwA9cgZiF4eN/dHFBIGYCQhhQQZJjBupABzxALIDFfHUgFgKaY4DmHh4ozQR1"
    "+5//ECACFWeBYpg4g15Rak6iXklqRQlDTmJSMUNmXl5qEYNeXn5Jqp67X6hucUlicjZDQVF+UiqDXnFJUUliEpCuzAXT"
    "RfkpiSWJDDZA8cy8dDsGyoEuUpgjgwRo/PqhiaOnBTaoGBuauAOUtkYTF8BiHguSehgwgFpkgGQPKIw5oHwJKG0LNYMJ"
    "TX8DlFYgYL84Fj+BwAIc4YWu1hSL3cj6J6D5E939APPfS44="
)


@lru_cache(1)
def works():
    """Whether this process can load objects: tried with a small one that has all that can be in
    one, a constant, a call inside and a call outside."""
    if sys.platform != "linux" or os.uname().machine != "x86_64" or struct.calcsize("P") != 8:
        return False
    try:
        image = Image([decompress(a2b_base64(PROBE))])
    except (Unknown, OSError):
        return False
    probe = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(image["probe"])
    return [probe(k) for k in range(-2, 3)] == [18, 24, 6, 12, 18]
