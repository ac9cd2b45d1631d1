"""Runs edits on GLib's own GKeyFile, through ctypes.

stdin: a JSON array of cases {"text", "keep", "ops": [[name, args...], ...]}
stdout: a JSON array of {"error"} or {"answers": [...], "text"}; an answer is a value or {"error": message}
"""
import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint64, c_void_p

glib = ctypes.CDLL("libglib-2.0.so.0")
# criticals of refused edits are part of the game, their text is not
silence = ctypes.CFUNCTYPE(None, c_char_p, c_int, c_char_p, c_void_p)(lambda *a: None)
glib.g_log_set_default_handler(silence, None)
KEEP_COMMENTS, KEEP_TRANSLATIONS = 1, 2


class Error(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", c_int), ("message", c_char_p)]


ErrorP = POINTER(Error)


def function(name, result, *arguments):
    f = getattr(glib, name)
    f.restype = result
    f.argtypes = list(arguments)
    return f


new = function("g_key_file_new", c_void_p)
free = function("g_key_file_free", None, c_void_p)
load = function("g_key_file_load_from_data", c_int, c_void_p, c_char_p, c_size_t, c_int, POINTER(ErrorP))
to_data = function("g_key_file_to_data", c_char_p, c_void_p, c_void_p, c_void_p)
get_groups = function("g_key_file_get_groups", POINTER(c_char_p), c_void_p, POINTER(c_size_t))
get_keys = function("g_key_file_get_keys", POINTER(c_char_p), c_void_p, c_char_p, POINTER(c_size_t), POINTER(ErrorP))
get_list = function("g_key_file_get_string_list", POINTER(c_char_p), c_void_p, c_char_p, c_char_p, POINTER(c_size_t), POINTER(ErrorP))


def getter(name, result):
    return function("g_key_file_get_" + name, result, c_void_p, c_char_p, c_char_p, POINTER(ErrorP))


getters = {
    "getRaw": getter("value", c_char_p),
    "getString": getter("string", c_char_p),
    "getBoolean": getter("boolean", c_int),
    "getInteger": getter("integer", c_int),
    "getUint64": getter("uint64", c_uint64),
}
set_string = function("g_key_file_set_string", None, c_void_p, c_char_p, c_char_p, c_char_p)
set_value = function("g_key_file_set_value", None, c_void_p, c_char_p, c_char_p, c_char_p)
set_list = function("g_key_file_set_string_list", None, c_void_p, c_char_p, c_char_p, POINTER(c_char_p), c_size_t)
remove_key = function("g_key_file_remove_key", c_int, c_void_p, c_char_p, c_char_p, c_void_p)
remove_group = function("g_key_file_remove_group", c_int, c_void_p, c_char_p, c_void_p)


def text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else value


def apply(file, op, args):
    raw = [a.encode("utf-8") if isinstance(a, str) else a for a in args]
    error, count = ErrorP(), c_size_t()
    if op == "groups":
        names = get_groups(file, byref(count))
        return [text(names[i]) for i in range(count.value)]
    if op == "keys":
        names = get_keys(file, raw[0], byref(count), byref(error))
        return {"error": text(error.contents.message)} if error else [text(names[i]) for i in range(count.value)]
    if op == "getList":
        items = get_list(file, raw[0], raw[1], byref(count), byref(error))
        return {"error": text(error.contents.message)} if error else [text(items[i]) for i in range(count.value)]
    if op in getters:
        value = getters[op](file, raw[0], raw[1], byref(error))
        if error:
            return {"error": text(error.contents.message)}
        if op == "getBoolean":
            return value != 0
        return str(value) if op == "getUint64" else text(value)
    if op == "set":
        set_string(file, *raw)
    elif op == "setRaw":
        set_value(file, *raw)
    elif op == "setList":
        items = [item.encode("utf-8") for item in args[2]]
        set_list(file, raw[0], raw[1], (c_char_p * (len(items) + 1))(*items, None), len(items))
    elif op == "remove":
        return remove_key(file, raw[0], raw[1], None) != 0
    elif op == "removeGroup":
        return remove_group(file, raw[0], None) != 0
    else:
        raise ValueError(op)
    return None


def run(case):
    file, error = new(), ErrorP()
    data = case["text"].encode("utf-8")
    flags = KEEP_COMMENTS | KEEP_TRANSLATIONS if case["keep"] == "everything" else 0
    if not load(file, data, len(data), flags, byref(error)):
        return {"error": text(error.contents.message)}
    answers = [apply(file, op[0], op[1:]) for op in case["ops"]]
    result = {"answers": answers, "text": text(to_data(file, None, None))}
    free(file)
    return result


json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
