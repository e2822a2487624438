# cython: language_level=3, freethreading_compatible=False
"""Calls of the native launcher through tvm-ffi's C interface: one compiled extension on Python's stable ABI.

Arguments are packed in C from torch tensors; the interpreter lock is released for the call.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset


cdef extern from "dlpack/dlpack.h" nogil:
    ctypedef struct DLDataType:
        uint8_t code
        uint8_t bits
        uint16_t lanes

    ctypedef enum DLDeviceType:
        kDLCPU
        kDLCUDA

    ctypedef struct DLDevice:
        DLDeviceType device_type
        int32_t device_id

    ctypedef struct DLTensor:
        void* data
        DLDevice device
        int32_t ndim
        DLDataType dtype
        int64_t* shape
        int64_t* strides
        uint64_t byte_offset


cdef extern from "tvm/ffi/c_api.h" nogil:
    ctypedef void* TVMFFIObjectHandle

    ctypedef struct TVMFFIAny:
        int32_t type_index
        int64_t v_int64
        double v_float64
        void* v_ptr

    ctypedef struct TVMFFIByteArray:
        const char* data
        size_t size

    ctypedef struct TVMFFIErrorCell:
        TVMFFIByteArray message

    int TVMFFIFunctionCall(TVMFFIObjectHandle function, TVMFFIAny* args, int32_t count, TVMFFIAny* result)
    void TVMFFIErrorMoveFromRaised(TVMFFIObjectHandle* result)
    TVMFFIErrorCell* TVMFFIErrorGetCellPtr(TVMFFIObjectHandle error)
    int TVMFFIObjectDecRef(TVMFFIObjectHandle handle)


cdef extern from "tvm/ffi/extra/c_env_api.h" nogil:
    int TVMFFIEnvSetStream(int32_t device_type, int32_t device_id, void* stream, void** original)


cdef enum:
    NONE = 0
    INT = 1
    BOOL = 2
    FLOAT = 3
    TENSOR = 7


class PackedCallError(Exception):
    """The record that the launcher raised."""


cdef class PackedFunction:
    """A launcher that returns nothing: every tensor is passed.

    Parameters
    ----------
    function : tvm_ffi.Function
        Kept alive.
    dtypes : dict
        torch dtype to (code, bits).
    stream_of : callable
        Device index to the handle of torch's current stream there.
    """

    cdef object _owner
    cdef void* _function
    cdef dict _dtypes
    cdef object _stream_of

    def __init__(self, function, dict dtypes, stream_of):
        self._owner = function
        self._function = <void*><size_t>int(function.__chandle__())
        self._dtypes = dtypes
        self._stream_of = stream_of

    def __call__(self, tuple args):
        cdef Py_ssize_t count = len(args)
        cdef Py_ssize_t dims = 0
        for value in args:
            if hasattr(value, "data_ptr"):
                dims += value.dim()
        cdef TVMFFIAny* packed = <TVMFFIAny*>malloc((count + 1) * sizeof(TVMFFIAny))
        cdef DLTensor* tensors = <DLTensor*>malloc((count + 1) * sizeof(DLTensor))
        cdef int64_t* extents = <int64_t*>malloc((2 * dims + 1) * sizeof(int64_t))
        if packed == NULL or tensors == NULL or extents == NULL:
            free(packed)
            free(tensors)
            free(extents)
            raise MemoryError()
        try:
            self._call(args, packed, tensors, extents)
        finally:
            free(packed)
            free(tensors)
            free(extents)

    cdef _call(self, tuple args, TVMFFIAny* packed, DLTensor* tensors, int64_t* extents):
        cdef Py_ssize_t count = len(args)
        cdef Py_ssize_t i, used = 0
        cdef int device = -1
        cdef int status
        cdef void* stream = NULL
        cdef void* previous = NULL
        cdef TVMFFIAny result
        memset(packed, 0, (count + 1) * sizeof(TVMFFIAny))
        memset(&result, 0, sizeof(TVMFFIAny))
        for i in range(count):
            value = args[i]
            if value is None:
                packed[i].type_index = NONE
            elif isinstance(value, bool):
                packed[i].type_index = BOOL
                packed[i].v_int64 = 1 if value else 0
            elif isinstance(value, int):
                packed[i].type_index = INT
                packed[i].v_int64 = value
            elif isinstance(value, float):
                packed[i].type_index = FLOAT
                packed[i].v_float64 = value
            elif hasattr(value, "data_ptr"):
                used = self._tensor(value, &tensors[i], extents, used)
                packed[i].type_index = TENSOR
                packed[i].v_ptr = &tensors[i]
                if device < 0 and tensors[i].device.device_type == kDLCUDA:
                    device = tensors[i].device.device_id
            else:
                raise TypeError(i)
        if device >= 0:
            stream = <void*><size_t>int(self._stream_of(device))
            TVMFFIEnvSetStream(kDLCUDA, device, stream, &previous)
        with nogil:
            status = TVMFFIFunctionCall(self._function, packed, <int32_t>count, &result)
        if device >= 0:
            TVMFFIEnvSetStream(kDLCUDA, device, previous, NULL)
        if status != 0:
            raise self._raised()

    cdef Py_ssize_t _tensor(self, value, DLTensor* tensor, int64_t* extents, Py_ssize_t used) except -1:
        shape, strides, device = value.shape, value.stride(), value.device
        cdef Py_ssize_t rank = len(shape), axis
        code, bits = self._dtypes[value.dtype]
        tensor.data = <void*><size_t>value.data_ptr()
        tensor.device.device_type = kDLCUDA if device.type == "cuda" else kDLCPU
        tensor.device.device_id = device.index or 0
        tensor.ndim = <int32_t>rank
        tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes = code, bits, 1
        tensor.shape, tensor.strides, tensor.byte_offset = extents + used, extents + used + rank, 0
        for axis in range(rank):
            tensor.shape[axis] = shape[axis]
            tensor.strides[axis] = strides[axis]
        return used + 2 * rank

    cdef object _raised(self):
        cdef TVMFFIObjectHandle error = NULL
        TVMFFIErrorMoveFromRaised(&error)
        cdef TVMFFIErrorCell* cell = TVMFFIErrorGetCellPtr(error)
        message = (<bytes>cell.message.data[:cell.message.size]).decode()
        TVMFFIObjectDecRef(error)
        return PackedCallError(message)
