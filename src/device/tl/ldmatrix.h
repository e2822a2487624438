// 8x8 matrices of 16-bit elements between shared memory and registers (PTX ISA 9.7.14.5.15 "ldmatrix", .16 "stmatrix").
// Lane 8*i + r passes the address of row r of matrix i (16 bytes, 16-byte aligned); x1 and x2 use the first 8 and 16 lanes.
// Register i of lane l holds elements (row l/4, columns 2*(l%4) and +1) of matrix i; transposed: (rows 2*(l%4) and +1,
// column l/4). `registers` is an array of 4 bytes a matrix, of any element type.
#pragma once
#include <tl/smem_address.h>

namespace tl {

template <class T>
TL_FUNC void ldmatrix_x1(T* registers, const void* smem) {
  uint32_t r[1];
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

template <class T>
TL_FUNC void ldmatrix_x1_trans(T* registers, const void* smem) {
  uint32_t r[1];
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

template <class T>
TL_FUNC void ldmatrix_x2(T* registers, const void* smem) {
  uint32_t r[2];
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

template <class T>
TL_FUNC void ldmatrix_x2_trans(T* registers, const void* smem) {
  uint32_t r[2];
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

template <class T>
TL_FUNC void ldmatrix_x4(T* registers, const void* smem) {
  uint32_t r[4];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

template <class T>
TL_FUNC void ldmatrix_x4_trans(T* registers, const void* smem) {
  uint32_t r[4];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::smem_address(smem))
               : "memory");
  __builtin_memcpy(registers, r, sizeof(r));
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900  // stmatrix came with Hopper; codegen asks the target before it uses it

template <class T>
TL_FUNC void stmatrix_x1(void* smem, const T* registers) {
  uint32_t r[1];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"(detail::smem_address(smem)), "r"(r[0])
               : "memory");
}

template <class T>
TL_FUNC void stmatrix_x1_trans(void* smem, const T* registers) {
  uint32_t r[1];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%0], {%1};" ::"r"(detail::smem_address(smem)), "r"(r[0])
               : "memory");
}

template <class T>
TL_FUNC void stmatrix_x2(void* smem, const T* registers) {
  uint32_t r[2];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(detail::smem_address(smem)), "r"(r[0]), "r"(r[1])
               : "memory");
}

template <class T>
TL_FUNC void stmatrix_x2_trans(void* smem, const T* registers) {
  uint32_t r[2];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(detail::smem_address(smem)), "r"(r[0]), "r"(r[1])
               : "memory");
}

template <class T>
TL_FUNC void stmatrix_x4(void* smem, const T* registers) {
  uint32_t r[4];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(detail::smem_address(smem)), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

template <class T>
TL_FUNC void stmatrix_x4_trans(void* smem, const T* registers) {
  uint32_t r[4];
  __builtin_memcpy(r, registers, sizeof(r));
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(detail::smem_address(smem)), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

#endif

}  // namespace tl
