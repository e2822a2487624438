"""A CUDA driver that only writes down what it is asked, and tensors that say they are on its devices."""

from __future__ import annotations

import ctypes

DRIVER = r"""
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
static void say(const char* text) { FILE* f = fopen(getenv("FAKE_CUDA_LOG"), "a"); fprintf(f, "%s\n", text); fclose(f); }
struct Attribute { unsigned id; char pad[4]; unsigned x, y, z; char rest[52]; };
struct Config { unsigned g[3], b[3], shared; void* stream; Attribute* attributes; unsigned count; };
static char line[256];
extern "C" {
int cuInit(unsigned) { return 0; }
int cuGetErrorString(int, const char** text) { *text = "an illegal memory access was encountered"; return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) { *value = attribute == 97 ? 227 << 10 : 9; return 0; }
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = (void*)(intptr_t)(100 + device); return 0; }
static void* current = 0;
int cuCtxGetCurrent(void** context) { *context = current; return 0; }
int cuCtxSetCurrent(void* context) { current = context; return 0; }
int cuCtxPushCurrent_v2(void* context) { sprintf(line, "push %d", (int)(intptr_t)context); say(line); return 0; }
int cuCtxPopCurrent_v2(void**) { say("pop"); return 0; }
int cuModuleLoadData(void** module, const void* image) {
  say("load");
  *module = (void*)1;
  return *(const char*)image == 'X' ? 209 : 0;
}
int cuModuleGetFunction(void** function, void*, const char* name) { *function = (void*)name; return 0; }
int cuFuncSetAttribute(void*, int attribute, int value) { sprintf(line, "set %d = %d", attribute, value); say(line); return 0; }
int cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* address, const uint64_t* extents, const uint64_t* strides,
                           const unsigned* box, const unsigned* steps, int interleave, int swizzle, int promotion, int fill) {
  if ((uintptr_t)map % 64) return 1;
  sprintf(line, "map type %d at %lld interleave %d swizzle %d promotion %d fill %d", type, (long long)address, interleave,
          swizzle, promotion, fill);
  say(line);
  for (unsigned i = 0; i < rank; ++i) {
    sprintf(line, "  extent %d stride %d box %u step %u", (int)extents[i], i + 1 < rank ? (int)strides[i] : 0, box[i], steps[i]);
    say(line);
  }
  for (int i = 0; i < 16; ++i) ((uint64_t*)map)[i] = (uint64_t)address * 31 + i;
  return 0;
}
// How cuda-bindings finds the others.
int cuGetProcAddress_v2(const char* symbol, void** function, int, uint64_t, int* status) {
  static void* self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  char versioned[128];
  snprintf(versioned, sizeof versioned, "%s_v2", symbol);
  *function = dlsym(self, versioned);
  if (!*function) *function = dlsym(self, symbol);
  if (status) *status = *function ? 0 : 1;
  return *function ? 0 : 500;
}
int cuMemAllocAsync(void** address, size_t bytes, void* stream) {
  sprintf(line, "borrow %zu stream %d", bytes, (int)(intptr_t)stream); say(line);
  *address = (void*)0x9000; return bytes > (1u << 30) ? 2 : 0;
}
int cuMemFreeAsync(void* address, void* stream) {
  sprintf(line, "give back %d stream %d", (int)(intptr_t)address, (int)(intptr_t)stream); say(line); return 0;
}
int cuMemsetD8Async(void*, unsigned char value, size_t bytes, void* stream) {
  sprintf(line, "clear %d bytes to %d stream %d", (int)bytes, value, (int)(intptr_t)stream);
  say(line);
  return 0;
}
int cuLaunchKernelEx(const Config* c, void*, void** args, void**) {
  for (unsigned i = 0; i < c->count; ++i) {
    if (c->attributes[i].id == 4) continue;
    sprintf(line, "attribute %u = %u", c->attributes[i].id, c->attributes[i].x);
    say(line);
  }
  sprintf(line, "launch grid %u %u %u block %u shared %u stream %d cluster %u of %u: address %lld n %d",
          c->g[0], c->g[1], c->g[2], c->b[0], c->shared, (int)(intptr_t)c->stream, c->count ? c->attributes[0].x : 1,
          c->count ? c->attributes[0].id : 0, *(long long*)args[0], *(int*)args[1]);
  say(line);
  // The sizes of all arguments, where a test wants to see their bytes.
  if (const char* sizes = getenv("FAKE_CUDA_SIZES")) {
    for (int i = 0; *sizes; ++i) {
      int size = strtol(sizes, (char**)&sizes, 10), used = sprintf(line, "argument %d: ", i);
      for (int b = 0; b < size && used < 200; ++b) used += sprintf(line + used, "%02x", ((unsigned char*)args[i])[b]);
      say(line);
      if (*sizes == ',') ++sizes;
    }
  }
  return c->b[0] == 13 ? 700 : c->b[0] == 17 ? 720 : 0;
}
}
"""


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _DLTensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _ManagedVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    ]


def _capsule(address: int, name: bytes):
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return make(address, name, None)


class CudaTensor:
    """A float32 vector at a made-up address; nothing reads it."""

    def __init__(self, n: int, *, device: int = 0, address: int = 4096, byte_offset: int = 0) -> None:
        self._shape = (ctypes.c_int64 * 1)(n)
        self._managed = _Managed(_DLTensor(address, 2, device, 1, 2, 32, 1, self._shape, None, byte_offset), None, None)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self._managed.tensor.device_id)

    def __dlpack__(self, **_options):
        return _capsule(ctypes.addressof(self._managed), b"dltensor")


class ExchangedTensor(CudaTensor):
    """The same from a framework with DLPack's table of C functions: it computes on stream 7 of each device."""

    made: list[_ManagedVersioned] = []


_Allocate = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(_DLTensor),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p),
)
_ToObject = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
_ToTensor = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(_DLTensor))
_Stream = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))


@_Allocate
def _allocate(prototype, out, context, set_error):
    wanted = prototype.contents
    if wanted.shape[0] > 1000:
        set_error(context, b"RuntimeError", b"out of made-up memory")
        return -1
    made = _ManagedVersioned(1, 0, None, None, 0, wanted)
    made.tensor.data = 1 << 16
    ExchangedTensor.made.append(made)
    out[0] = ctypes.addressof(made)
    return 0


@_ToObject
def _to_object(managed, out):
    tensor = ctypes.cast(managed, ctypes.POINTER(_ManagedVersioned)).contents.tensor
    made = ExchangedTensor(tensor.shape[0], device=tensor.device_id, address=tensor.data)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    out[0] = id(made)
    return 0


@_ToTensor
def _to_tensor(array, out):
    out[0] = array._managed.tensor
    return 0


@_Stream
def _stream(device_type, device, out):
    out[0] = 7
    return 0


class _Table(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        ("allocate", _Allocate),
        ("from_object", ctypes.c_void_p),
        ("to_object", _ToObject),
        ("to_tensor", _ToTensor),
        ("stream", _Stream),
    ]


_NAME = b"dlpack_exchange_api"  # a capsule keeps the address, not the bytes
_newer = _Table(2, 0)
_table = _Table(1, 3, None, _allocate, None, _to_object, _to_tensor, _stream)
_newer.previous = ctypes.addressof(_table)  # callers of version 1 walk the chain
ExchangedTensor.__dlpack_c_exchange_api__ = _capsule(ctypes.addressof(_newer), _NAME)
