"""Reads archives with libarchive itself, the reader libostree stands on, through ctypes.

stdin: a JSON array of archives in base64
stdout: a JSON array of {"entries": [...], "error": message or null}; entries up to the error
"""
import base64
import ctypes
import hashlib
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_long, c_size_t, c_ssize_t, c_void_p

lib = ctypes.CDLL("libarchive.so.13")
OK, EOF = 0, 1


def function(name, result, *arguments):
    f = getattr(lib, "archive_" + name)
    f.restype = result
    f.argtypes = list(arguments)
    return f


def field(name, result):
    return function("entry_" + name, result, c_void_p)


read_new = function("read_new", c_void_p)
support_tar = function("read_support_format_tar", c_int, c_void_p)
support_empty = function("read_support_format_empty", c_int, c_void_p)
open_memory = function("read_open_memory", c_int, c_void_p, c_char_p, c_size_t)
next_header = function("read_next_header", c_int, c_void_p, POINTER(c_void_p))
read_data = function("read_data", c_ssize_t, c_void_p, c_char_p, c_size_t)
error_string = function("error_string", c_char_p, c_void_p)
read_free = function("read_free", c_int, c_void_p)
xattr_reset = field("xattr_reset", c_int)
xattr_next = function("entry_xattr_next", c_int, c_void_p, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_size_t))
texts = {name: field(name, c_char_p) for name in ("pathname", "hardlink", "symlink", "uname", "gname")}
numbers = {name: field(name, c_int64) for name in ("uid", "gid", "size", "mtime")}
filetype, perm = field("filetype", ctypes.c_uint), field("perm", ctypes.c_uint)
mtime_nsec = field("mtime_nsec", c_long)
rdevmajor, rdevminor = field("rdevmajor", c_int64), field("rdevminor", c_int64)
buffer = ctypes.create_string_buffer(1 << 16)


def xattrs(entry):
    found = []
    name, value, size = c_char_p(), c_void_p(), c_size_t()
    xattr_reset(entry)
    while xattr_next(entry, byref(name), byref(value), byref(size)) == OK:
        found.append([name.value.decode("utf-8", "replace"), ctypes.string_at(value, size.value).hex() if size.value else ""])
    return found


def read(data):
    archive = read_new()
    support_tar(archive)
    support_empty(archive)
    entries, entry = [], c_void_p()
    failed = open_memory(archive, data, len(data)) != OK
    while not failed:
        code = next_header(archive, byref(entry))
        if code == EOF:
            break
        if code != OK:
            failed = True
            break
        one = {name: (f(entry) or b"").hex() for name, f in texts.items()}
        one.update({name: f(entry) for name, f in numbers.items()})
        one.update(filetype=filetype(entry), perm=perm(entry), nsec=mtime_nsec(entry), xattrs=xattrs(entry))
        one.update(rdev=[rdevmajor(entry), rdevminor(entry)])
        digest = hashlib.sha256()
        length = 0
        while (got := read_data(archive, buffer, len(buffer))) > 0:
            digest.update(buffer.raw[:got])
            length += got
        if got < 0:
            failed = True
            break
        one.update(sha256=digest.hexdigest(), length=length)
        entries.append(one)
    error = (error_string(archive) or b"").decode("utf-8", "replace") if failed else None
    read_free(archive)
    return {"entries": entries, "error": error}


json.dump([read(base64.b64decode(one)) for one in json.load(sys.stdin)], sys.stdout)
