// The sparse instructions of one N; included by <tl/wgmma/m64n<N>.h>, which defines the register lists around it. As in
// <tl/wgmma_instructions.h>. Operands after the accumulators, by descriptor: 0 a, 1 b, 2 metadata, 3 accumulate, 4 and 5 scales,
// 6 and 7 transpositions, 8 selector; from registers: 0-3 a, 4 b, 5 metadata, 6 accumulate, 7 and 8 scales, 9 transposition,
// 10 selector.

#if TL_HOPPER

#define TL_WGMMA_F(x) "+f"(x)
#define TL_WGMMA_R(x) "+r"(x)
#define TL_WGMMA_SS(part, constraint, types, tail)                                                                                 \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " TL_WGMMA_##part##_3 ", 0;\n wgmma.mma_async.sp.sync.aligned." TL_WGMMA_SHAPE types " " \
               TL_WGMMA_##part ", " TL_WGMMA_##part##_0 ", " TL_WGMMA_##part##_1 ", " TL_WGMMA_##part##_2 ", " TL_WGMMA_##part##_8 ", p" tail ";\n}" \
               : TL_WGMMA_##part##_LIST(constraint)                                                                                \
               : "l"(a), "l"(b), "r"(metadata), "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB),                       \
                 "n"(static_cast<int>(TransA)), "n"(static_cast<int>(TransB)), "n"(Selector))
#define TL_WGMMA_RS(part, constraint, types, tail)                                                                                 \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " TL_WGMMA_##part##_6 ", 0;\n wgmma.mma_async.sp.sync.aligned." TL_WGMMA_SHAPE types " " \
               TL_WGMMA_##part ", {" TL_WGMMA_##part##_0 ", " TL_WGMMA_##part##_1 ", " TL_WGMMA_##part##_2 ", " TL_WGMMA_##part##_3 "}, " \
               TL_WGMMA_##part##_4 ", " TL_WGMMA_##part##_5 ", " TL_WGMMA_##part##_10 ", p" tail ";\n}"                           \
               : TL_WGMMA_##part##_LIST(constraint)                                                                                \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(metadata), "r"(static_cast<int>(accumulate)), "n"(ScaleA), \
                 "n"(ScaleB), "n"(static_cast<int>(TransB)), "n"(Selector))

namespace tl::detail {

template <>
struct wgmma_sp_shape<TL_WGMMA_N> {
#define TL_WGMMA_SS_SCALES(part) ", " TL_WGMMA_##part##_4 ", " TL_WGMMA_##part##_5
#define TL_WGMMA_SS_ALL(part) TL_WGMMA_SS_SCALES(part) ", " TL_WGMMA_##part##_6 ", " TL_WGMMA_##part##_7
#define TL_WGMMA_RS_SCALES(part) ", " TL_WGMMA_##part##_7 ", " TL_WGMMA_##part##_8
#define TL_WGMMA_RS_ALL(part) TL_WGMMA_RS_SCALES(part) ", " TL_WGMMA_##part##_9

// `issue` is SS or RS.
#define TL_WGMMA_FLOATS(issue)                                                                                        \
  constexpr bool a4 = is_same<A, float8_e4m3_t>, b4 = is_same<B, float8_e4m3_t>;                                      \
  if constexpr (is_same<A, half_t>) {                                                                                 \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k32.f32.f16.f16", TL_WGMMA_##issue##_ALL(FULL));                              \
  } else if constexpr (is_same<A, bfloat16_t>) {                                                                      \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k32.f32.bf16.bf16", TL_WGMMA_##issue##_ALL(FULL));                            \
  } else if constexpr (is_same<A, float>) {                                                                           \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k16.f32.tf32.tf32", TL_WGMMA_##issue##_SCALES(FULL));                          \
  } else if constexpr (a4 && b4) {                                                                                    \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k64.f32.e4m3.e4m3", TL_WGMMA_##issue##_SCALES(FULL));                         \
  } else if constexpr (a4) {                                                                                          \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k64.f32.e4m3.e5m2", TL_WGMMA_##issue##_SCALES(FULL));                         \
  } else if constexpr (b4) {                                                                                          \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k64.f32.e5m2.e4m3", TL_WGMMA_##issue##_SCALES(FULL));                         \
  } else {                                                                                                            \
    TL_WGMMA_##issue(FULL, TL_WGMMA_F, "k64.f32.e5m2.e5m2", TL_WGMMA_##issue##_SCALES(FULL));                         \
  }
#define TL_WGMMA_HALVES(issue)                                                                                        \
  constexpr bool a4 = is_same<A, float8_e4m3_t>, b4 = is_same<B, float8_e4m3_t>;                                      \
  if constexpr (is_same<A, half_t>) {                                                                                 \
    TL_WGMMA_##issue(HALF, TL_WGMMA_R, "k32.f16.f16.f16", TL_WGMMA_##issue##_ALL(HALF));                              \
  } else if constexpr (a4 && b4) {                                                                                    \
    TL_WGMMA_##issue(HALF, TL_WGMMA_R, "k64.f16.e4m3.e4m3", TL_WGMMA_##issue##_SCALES(HALF));                         \
  } else if constexpr (a4) {                                                                                          \
    TL_WGMMA_##issue(HALF, TL_WGMMA_R, "k64.f16.e4m3.e5m2", TL_WGMMA_##issue##_SCALES(HALF));                         \
  } else if constexpr (b4) {                                                                                          \
    TL_WGMMA_##issue(HALF, TL_WGMMA_R, "k64.f16.e5m2.e4m3", TL_WGMMA_##issue##_SCALES(HALF));                         \
  } else {                                                                                                            \
    TL_WGMMA_##issue(HALF, TL_WGMMA_R, "k64.f16.e5m2.e5m2", TL_WGMMA_##issue##_SCALES(HALF));                         \
  }
#define TL_WGMMA_INTEGERS(issue)                                                                                      \
  if constexpr (is_signed<A> && is_signed<B>) {                                                                       \
    TL_WGMMA_##issue(FULL, TL_WGMMA_R, "k64.s32.s8.s8", "");                                                          \
  } else if constexpr (is_signed<A>) {                                                                                \
    TL_WGMMA_##issue(FULL, TL_WGMMA_R, "k64.s32.s8.u8", "");                                                          \
  } else if constexpr (is_signed<B>) {                                                                                \
    TL_WGMMA_##issue(FULL, TL_WGMMA_R, "k64.s32.u8.s8", "");                                                          \
  } else {                                                                                                            \
    TL_WGMMA_##issue(FULL, TL_WGMMA_R, "k64.s32.u8.u8", "");                                                          \
  }

  template <class A, class B, bool TransA, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void ss(float* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_FLOATS(SS)
  }
  template <class A, class B, bool TransA, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void ss(int32_t* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_INTEGERS(SS)
  }
  template <class A, class B, bool TransA, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void ss_half(uint32_t* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_HALVES(SS)
  }
  template <class A, class B, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void rs(float* d, const uint32_t* a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_FLOATS(RS)
  }
  template <class A, class B, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void rs(int32_t* d, const uint32_t* a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_INTEGERS(RS)
  }
  template <class A, class B, bool TransB, int Selector, int ScaleA, int ScaleB>
  static TL_FUNC void rs_half(uint32_t* d, const uint32_t* a, uint64_t b, uint32_t metadata, bool accumulate) {
    TL_WGMMA_HALVES(RS)
  }
};

}  // namespace tl::detail

#undef TL_WGMMA_F
#undef TL_WGMMA_R
#undef TL_WGMMA_SS
#undef TL_WGMMA_RS
#undef TL_WGMMA_SS_SCALES
#undef TL_WGMMA_SS_ALL
#undef TL_WGMMA_RS_SCALES
#undef TL_WGMMA_RS_ALL
#undef TL_WGMMA_FLOATS
#undef TL_WGMMA_HALVES
#undef TL_WGMMA_INTEGERS

#endif
