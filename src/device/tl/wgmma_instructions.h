// The instructions of one N; included by <tl/wgmma/m64n<N>.h>, which defines the register lists around it.
// FULL: accumulators of 32 bits, HALF: pairs of 16 bits. Operands after the accumulators, by descriptor: 0 a, 1 b,
// 2 accumulate, 3 and 4 scales, 5 and 6 transpositions; from registers: 0-3 a, 4 b, 5 accumulate, 6 and 7 scales, 8 transposition.
// Several steps along K in one statement name the accumulators once, which compiles in less time. Operands, by descriptor: as above,
// 7 and 8 the steps of a and b; from registers, S steps: 0 to 4S-1 a, then b, accumulate, scales, transposition and the step of b.
// Of eight steps the last operands are those between the fourth and the fifth.

#if TL_HOPPER

#define TL_WGMMA_F(x) "+f"(x)
#define TL_WGMMA_R(x) "+r"(x)
#define TL_WGMMA_NEW_F(x) "=f"(x)
#define TL_WGMMA_NEW_R(x) "=r"(x)
#define TL_WGMMA_SS(part, constraint, types, tail, ...)                                                                          \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " TL_WGMMA_##part##_2 ", 0;\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types " " \
               TL_WGMMA_##part ", " TL_WGMMA_##part##_0 ", " TL_WGMMA_##part##_1 ", p" tail ";\n}"                               \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB), "n"(static_cast<int>(TransA)),     \
                 "n"(static_cast<int>(TransB)))
#define TL_WGMMA_RS(part, constraint, types, tail)                                                                               \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, " TL_WGMMA_##part##_5 ", 0;\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types " " \
               TL_WGMMA_##part ", {" TL_WGMMA_##part##_0 ", " TL_WGMMA_##part##_1 ", " TL_WGMMA_##part##_2 ", " TL_WGMMA_##part##_3 "}, " \
               TL_WGMMA_##part##_4 ", p" tail ";\n}"                                                                             \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB), \
                 "n"(static_cast<int>(TransB)))

#define TL_WGMMA_SS_NEXT(part, types, tail)                                                                                      \
  " add.s64 a, a, " TL_WGMMA_##part##_7 ";\n add.s64 b, b, " TL_WGMMA_##part##_8 ";\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types \
  " " TL_WGMMA_##part ", a, b, 1" tail ";\n"
#define TL_WGMMA_SS_CHAIN(part, constraint, types, tail, rest)                                                                   \
  asm volatile("{\n .reg .pred p;\n .reg .b64 a, b;\n setp.ne.b32 p, " TL_WGMMA_##part##_2 ", 0;\n mov.b64 a, " TL_WGMMA_##part##_0 \
               ";\n mov.b64 b, " TL_WGMMA_##part##_1 ";\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types " " TL_WGMMA_##part \
               ", a, b, p" tail ";\n" rest "}"                                                                                   \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB), "n"(static_cast<int>(TransA)),     \
                 "n"(static_cast<int>(TransB)), "n"(StepA), "n"(StepB))
#define TL_WGMMA_SS2(part, constraint, types, tail) TL_WGMMA_SS_CHAIN(part, constraint, types, tail, TL_WGMMA_SS_NEXT(part, types, tail))
#define TL_WGMMA_SS4(part, constraint, types, tail)                                                                              \
  TL_WGMMA_SS_CHAIN(part, constraint, types, tail,                                                                               \
                    TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail))
#define TL_WGMMA_SS_HOP(part, types, tail)                                                                                       \
  " add.s64 a, a, " TL_WGMMA_##part##_9 ";\n add.s64 b, b, " TL_WGMMA_##part##_10 ";\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types \
  " " TL_WGMMA_##part ", a, b, 1" tail ";\n"
#define TL_WGMMA_SS8(part, constraint, types, tail)                                                                              \
  asm volatile("{\n .reg .pred p;\n .reg .b64 a, b;\n setp.ne.b32 p, " TL_WGMMA_##part##_2 ", 0;\n mov.b64 a, " TL_WGMMA_##part##_0 \
               ";\n mov.b64 b, " TL_WGMMA_##part##_1 ";\n wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types " " TL_WGMMA_##part \
               ", a, b, p" tail ";\n"                                                                                            \
               TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail)       \
               TL_WGMMA_SS_HOP(part, types, tail)                                                                                \
               TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail) TL_WGMMA_SS_NEXT(part, types, tail) "}"   \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB), "n"(static_cast<int>(TransA)),     \
                 "n"(static_cast<int>(TransB)), "n"(StepA), "n"(StepB), "n"(HopA), "n"(HopB))
#define TL_WGMMA_RS_STEP(part, types, tail, a0, a1, a2, a3, keep)                                                                \
  " wgmma.mma_async.sync.aligned." TL_WGMMA_SHAPE types " " TL_WGMMA_##part ", {" TL_WGMMA_##part##_##a0 ", " TL_WGMMA_##part##_##a1 \
  ", " TL_WGMMA_##part##_##a2 ", " TL_WGMMA_##part##_##a3 "}, b, " keep tail ";\n"
#define TL_WGMMA_RS2(part, constraint, types, tail)                                                                              \
  asm volatile("{\n .reg .pred p;\n .reg .b64 b;\n setp.ne.b32 p, " TL_WGMMA_##part##_9 ", 0;\n mov.b64 b, " TL_WGMMA_##part##_8 ";\n" \
               TL_WGMMA_RS_STEP(part, types, tail, 0, 1, 2, 3, "p") " add.s64 b, b, " TL_WGMMA_##part##_13 ";\n"                 \
               TL_WGMMA_RS_STEP(part, types, tail, 4, 5, 6, 7, "1") "}"                                                          \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]), "r"(a[6]), "r"(a[7]), "l"(b),                 \
                 "r"(static_cast<int>(accumulate)), "n"(ScaleA), "n"(ScaleB), "n"(static_cast<int>(TransB)), "n"(StepB))
#define TL_WGMMA_RS4(part, constraint, types, tail)                                                                              \
  asm volatile("{\n .reg .pred p;\n .reg .b64 b;\n setp.ne.b32 p, " TL_WGMMA_##part##_17 ", 0;\n mov.b64 b, " TL_WGMMA_##part##_16 ";\n" \
               TL_WGMMA_RS_STEP(part, types, tail, 0, 1, 2, 3, "p") " add.s64 b, b, " TL_WGMMA_##part##_21 ";\n"                 \
               TL_WGMMA_RS_STEP(part, types, tail, 4, 5, 6, 7, "1") " add.s64 b, b, " TL_WGMMA_##part##_21 ";\n"                 \
               TL_WGMMA_RS_STEP(part, types, tail, 8, 9, 10, 11, "1") " add.s64 b, b, " TL_WGMMA_##part##_21 ";\n"               \
               TL_WGMMA_RS_STEP(part, types, tail, 12, 13, 14, 15, "1") "}"                                                      \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]), "r"(a[6]), "r"(a[7]), "r"(a[8]), "r"(a[9]),   \
                 "r"(a[10]), "r"(a[11]), "r"(a[12]), "r"(a[13]), "r"(a[14]), "r"(a[15]), "l"(b), "r"(static_cast<int>(accumulate)), \
                 "n"(ScaleA), "n"(ScaleB), "n"(static_cast<int>(TransB)), "n"(StepB))
#define TL_WGMMA_RS8(part, constraint, types, tail)                                                                              \
  asm volatile("{\n .reg .pred p;\n .reg .b64 b;\n setp.ne.b32 p, " TL_WGMMA_##part##_33 ", 0;\n mov.b64 b, " TL_WGMMA_##part##_32 ";\n" \
               TL_WGMMA_RS_STEP(part, types, tail, 0, 1, 2, 3, "p") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"                 \
               TL_WGMMA_RS_STEP(part, types, tail, 4, 5, 6, 7, "1") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"                 \
               TL_WGMMA_RS_STEP(part, types, tail, 8, 9, 10, 11, "1") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"               \
               TL_WGMMA_RS_STEP(part, types, tail, 12, 13, 14, 15, "1") " add.s64 b, b, " TL_WGMMA_##part##_38 ";\n"             \
               TL_WGMMA_RS_STEP(part, types, tail, 16, 17, 18, 19, "1") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"             \
               TL_WGMMA_RS_STEP(part, types, tail, 20, 21, 22, 23, "1") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"             \
               TL_WGMMA_RS_STEP(part, types, tail, 24, 25, 26, 27, "1") " add.s64 b, b, " TL_WGMMA_##part##_37 ";\n"             \
               TL_WGMMA_RS_STEP(part, types, tail, 28, 29, 30, 31, "1") "}"                                                      \
               : TL_WGMMA_##part##_LIST(constraint)                                                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]), "r"(a[6]), "r"(a[7]), "r"(a[8]), "r"(a[9]),   \
                 "r"(a[10]), "r"(a[11]), "r"(a[12]), "r"(a[13]), "r"(a[14]), "r"(a[15]), "r"(a[16]), "r"(a[17]), "r"(a[18]),     \
                 "r"(a[19]), "r"(a[20]), "r"(a[21]), "r"(a[22]), "r"(a[23]), "r"(a[24]), "r"(a[25]), "r"(a[26]), "r"(a[27]),     \
                 "r"(a[28]), "r"(a[29]), "r"(a[30]), "r"(a[31]), "l"(b), "r"(static_cast<int>(accumulate)), "n"(ScaleA),         \
                 "n"(ScaleB), "n"(static_cast<int>(TransB)), "n"(StepB), "n"(HopB))

namespace tl::detail {

template <>
struct wgmma_shape<TL_WGMMA_N> {
  static TL_FUNC void pin(float* d) { asm volatile("" : TL_WGMMA_FULL_LIST(TL_WGMMA_F)::"memory"); }
  static TL_FUNC void pin(int32_t* d) { asm volatile("" : TL_WGMMA_FULL_LIST(TL_WGMMA_R)::"memory"); }
  static TL_FUNC void pin_half(uint32_t* d) { asm volatile("" : TL_WGMMA_HALF_LIST(TL_WGMMA_R)::"memory"); }

#define TL_WGMMA_SS_SCALES(part) ", " TL_WGMMA_##part##_3 ", " TL_WGMMA_##part##_4
#define TL_WGMMA_SS_ALL(part) TL_WGMMA_SS_SCALES(part) ", " TL_WGMMA_##part##_5 ", " TL_WGMMA_##part##_6
#define TL_WGMMA_RS_SCALES(part) ", " TL_WGMMA_##part##_6 ", " TL_WGMMA_##part##_7
#define TL_WGMMA_RS_ALL(part) TL_WGMMA_RS_SCALES(part) ", " TL_WGMMA_##part##_8
#define TL_WGMMA_SS2_SCALES(part) TL_WGMMA_SS_SCALES(part)
#define TL_WGMMA_SS2_ALL(part) TL_WGMMA_SS_ALL(part)
#define TL_WGMMA_SS4_SCALES(part) TL_WGMMA_SS_SCALES(part)
#define TL_WGMMA_SS4_ALL(part) TL_WGMMA_SS_ALL(part)
#define TL_WGMMA_SS8_SCALES(part) TL_WGMMA_SS_SCALES(part)
#define TL_WGMMA_SS8_ALL(part) TL_WGMMA_SS_ALL(part)
#define TL_WGMMA_RS2_SCALES(part) ", " TL_WGMMA_##part##_10 ", " TL_WGMMA_##part##_11
#define TL_WGMMA_RS2_ALL(part) TL_WGMMA_RS2_SCALES(part) ", " TL_WGMMA_##part##_12
#define TL_WGMMA_RS4_SCALES(part) ", " TL_WGMMA_##part##_18 ", " TL_WGMMA_##part##_19
#define TL_WGMMA_RS4_ALL(part) TL_WGMMA_RS4_SCALES(part) ", " TL_WGMMA_##part##_20
#define TL_WGMMA_RS8_SCALES(part) ", " TL_WGMMA_##part##_34 ", " TL_WGMMA_##part##_35
#define TL_WGMMA_RS8_ALL(part) TL_WGMMA_RS8_SCALES(part) ", " TL_WGMMA_##part##_36

// `issue` is SS or RS, or one of several steps. TL_WGMMA_BITS says how wide the operands' elements are that a text multiplies (a sum
// of 8, 16 and 32): reading what it does not need would take a tenth of the time in which a product compiles.
#if !defined(TL_WGMMA_BITS)
#define TL_WGMMA_BITS (8 + 16 + 32)
#endif

// Whether there are statements that overwrite what accumulators hold (`Fresh`): their registers are new ones then, which compiles in
// less time than keeping the old ones up to there.
#if !defined(TL_WGMMA_OVERWRITES) || TL_WGMMA_OVERWRITES
#define TL_WGMMA_EMIT(issue, part, kind, types, tail)                                                                 \
  if constexpr (Fresh) {                                                                                              \
    TL_WGMMA_##issue(part, TL_WGMMA_NEW_##kind, types, tail);                                                         \
  } else {                                                                                                            \
    TL_WGMMA_##issue(part, TL_WGMMA_##kind, types, tail);                                                             \
  }
#else
#define TL_WGMMA_EMIT(issue, part, kind, types, tail) TL_WGMMA_##issue(part, TL_WGMMA_##kind, types, tail);
#endif
// How many steps its statements take: a sum of 1, 2, 4 and 8, to the same end.
#if !defined(TL_WGMMA_STEPS)
#define TL_WGMMA_STEPS (1 + 2 + 4 + 8)
#endif

#if TL_WGMMA_BITS & 16
#define TL_WGMMA_FLOATS_16(issue)                                                                                     \
  if constexpr (is_same<A, half_t>) {                                                                                 \
    TL_WGMMA_EMIT(issue, FULL, F, "k16.f32.f16.f16", TL_WGMMA_##issue##_ALL(FULL))                                    \
  } else                                                                                                              \
  if constexpr (is_same<A, bfloat16_t>) {                                                                             \
    TL_WGMMA_EMIT(issue, FULL, F, "k16.f32.bf16.bf16", TL_WGMMA_##issue##_ALL(FULL))                                  \
  } else
#define TL_WGMMA_HALVES_16(issue)                                                                                     \
  if constexpr (is_same<A, half_t>) {                                                                                 \
    TL_WGMMA_EMIT(issue, HALF, R, "k16.f16.f16.f16", TL_WGMMA_##issue##_ALL(HALF))                                    \
  } else
#else
#define TL_WGMMA_FLOATS_16(issue)
#define TL_WGMMA_HALVES_16(issue)
#endif
#if TL_WGMMA_BITS & 32
#define TL_WGMMA_FLOATS_32(issue)                                                                                     \
  if constexpr (is_same<A, float>) {                                                                                  \
    TL_WGMMA_EMIT(issue, FULL, F, "k8.f32.tf32.tf32", TL_WGMMA_##issue##_SCALES(FULL))                                \
  } else
#else
#define TL_WGMMA_FLOATS_32(issue)
#endif
#if TL_WGMMA_BITS & 8
#define TL_WGMMA_FLOATS_8(issue)                                                                                      \
  if constexpr (is_same<A, float8_e4m3_t> && is_same<B, float8_e4m3_t>) {                                             \
    TL_WGMMA_EMIT(issue, FULL, F, "k32.f32.e4m3.e4m3", TL_WGMMA_##issue##_SCALES(FULL))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e4m3_t> && is_same<B, float8_e5m2_t>) {                                             \
    TL_WGMMA_EMIT(issue, FULL, F, "k32.f32.e4m3.e5m2", TL_WGMMA_##issue##_SCALES(FULL))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e5m2_t> && is_same<B, float8_e4m3_t>) {                                             \
    TL_WGMMA_EMIT(issue, FULL, F, "k32.f32.e5m2.e4m3", TL_WGMMA_##issue##_SCALES(FULL))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e5m2_t> && is_same<B, float8_e5m2_t>) {                                             \
    TL_WGMMA_EMIT(issue, FULL, F, "k32.f32.e5m2.e5m2", TL_WGMMA_##issue##_SCALES(FULL))                               \
  } else
#define TL_WGMMA_HALVES_8(issue)                                                                                      \
  if constexpr (is_same<A, float8_e4m3_t> && is_same<B, float8_e4m3_t>) {                                             \
    TL_WGMMA_EMIT(issue, HALF, R, "k32.f16.e4m3.e4m3", TL_WGMMA_##issue##_SCALES(HALF))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e4m3_t> && is_same<B, float8_e5m2_t>) {                                             \
    TL_WGMMA_EMIT(issue, HALF, R, "k32.f16.e4m3.e5m2", TL_WGMMA_##issue##_SCALES(HALF))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e5m2_t> && is_same<B, float8_e4m3_t>) {                                             \
    TL_WGMMA_EMIT(issue, HALF, R, "k32.f16.e5m2.e4m3", TL_WGMMA_##issue##_SCALES(HALF))                               \
  } else                                                                                                              \
  if constexpr (is_same<A, float8_e5m2_t> && is_same<B, float8_e5m2_t>) {                                             \
    TL_WGMMA_EMIT(issue, HALF, R, "k32.f16.e5m2.e5m2", TL_WGMMA_##issue##_SCALES(HALF))                               \
  } else
#define TL_WGMMA_INTEGERS_8(issue)                                                                                    \
  if constexpr (sizeof(A) == 1 && is_signed<A> && is_signed<B>) {                                                     \
    TL_WGMMA_EMIT(issue, FULL, R, "k32.s32.s8.s8", "")                                                                \
  } else                                                                                                              \
  if constexpr (sizeof(A) == 1 && is_signed<A> && !is_signed<B>) {                                                    \
    TL_WGMMA_EMIT(issue, FULL, R, "k32.s32.s8.u8", "")                                                                \
  } else                                                                                                              \
  if constexpr (sizeof(A) == 1 && !is_signed<A> && is_signed<B>) {                                                    \
    TL_WGMMA_EMIT(issue, FULL, R, "k32.s32.u8.s8", "")                                                                \
  } else                                                                                                              \
  if constexpr (sizeof(A) == 1 && !is_signed<A> && !is_signed<B>) {                                                   \
    TL_WGMMA_EMIT(issue, FULL, R, "k32.s32.u8.u8", "")                                                                \
  } else
#else
#define TL_WGMMA_FLOATS_8(issue)
#define TL_WGMMA_HALVES_8(issue)
#define TL_WGMMA_INTEGERS_8(issue)
#endif
#define TL_WGMMA_NOT_READ { static_assert(sizeof(A) == 0, "wgmma of elements that TL_WGMMA_BITS leaves out"); }
#define TL_WGMMA_FLOATS(issue) TL_WGMMA_FLOATS_16(issue) TL_WGMMA_FLOATS_32(issue) TL_WGMMA_FLOATS_8(issue) TL_WGMMA_NOT_READ
#define TL_WGMMA_HALVES(issue) TL_WGMMA_HALVES_16(issue) TL_WGMMA_HALVES_8(issue) TL_WGMMA_NOT_READ
#define TL_WGMMA_INTEGERS(issue) TL_WGMMA_INTEGERS_8(issue) TL_WGMMA_NOT_READ

#if TL_WGMMA_STEPS & 1
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void ss(float* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(SS)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void ss(int32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(SS)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void ss_half(uint32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(SS)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void rs(float* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(RS)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void rs(int32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(RS)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB>
  static TL_FUNC void rs_half(uint32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(RS)
  }
#endif
#if TL_WGMMA_STEPS & 2
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss2(float* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(SS2)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss2(int32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(SS2)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss2_half(uint32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(SS2)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs2(float* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(RS2)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs2(int32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(RS2)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs2_half(uint32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(RS2)
  }
#endif
#if TL_WGMMA_STEPS & 4
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss4(float* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(SS4)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss4(int32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(SS4)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB>
  static TL_FUNC void ss4_half(uint32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(SS4)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs4(float* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(RS4)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs4(int32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(RS4)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB>
  static TL_FUNC void rs4_half(uint32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(RS4)
  }
#endif
#if TL_WGMMA_STEPS & 8
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB, int HopA, int HopB>
  static TL_FUNC void ss8(float* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(SS8)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB, int HopA, int HopB>
  static TL_FUNC void ss8(int32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(SS8)
  }
  template <class A, class B, bool Fresh, bool TransA, bool TransB, int ScaleA, int ScaleB, int StepA, int StepB, int HopA, int HopB>
  static TL_FUNC void ss8_half(uint32_t* d, uint64_t a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(SS8)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB, int HopB>
  static TL_FUNC void rs8(float* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_FLOATS(RS8)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB, int HopB>
  static TL_FUNC void rs8(int32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_INTEGERS(RS8)
  }
  template <class A, class B, bool Fresh, bool TransB, int ScaleA, int ScaleB, int StepB, int HopB>
  static TL_FUNC void rs8_half(uint32_t* d, const uint32_t* a, uint64_t b, bool accumulate) {
    TL_WGMMA_HALVES(RS8)
  }
#endif
};

}  // namespace tl::detail

#undef TL_WGMMA_F
#undef TL_WGMMA_R
#undef TL_WGMMA_NEW_F
#undef TL_WGMMA_NEW_R
#undef TL_WGMMA_EMIT
#undef TL_WGMMA_SS
#undef TL_WGMMA_RS
#undef TL_WGMMA_SS_NEXT
#undef TL_WGMMA_SS_CHAIN
#undef TL_WGMMA_SS_HOP
#undef TL_WGMMA_SS2
#undef TL_WGMMA_SS4
#undef TL_WGMMA_SS8
#undef TL_WGMMA_RS_STEP
#undef TL_WGMMA_RS2
#undef TL_WGMMA_RS4
#undef TL_WGMMA_RS8
#undef TL_WGMMA_SS2_SCALES
#undef TL_WGMMA_SS2_ALL
#undef TL_WGMMA_SS4_SCALES
#undef TL_WGMMA_SS4_ALL
#undef TL_WGMMA_SS8_SCALES
#undef TL_WGMMA_SS8_ALL
#undef TL_WGMMA_RS2_SCALES
#undef TL_WGMMA_RS2_ALL
#undef TL_WGMMA_RS4_SCALES
#undef TL_WGMMA_RS4_ALL
#undef TL_WGMMA_RS8_SCALES
#undef TL_WGMMA_RS8_ALL
#undef TL_WGMMA_SS_SCALES
#undef TL_WGMMA_SS_ALL
#undef TL_WGMMA_RS_SCALES
#undef TL_WGMMA_RS_ALL
#undef TL_WGMMA_FLOATS
#undef TL_WGMMA_HALVES
#undef TL_WGMMA_INTEGERS
#undef TL_WGMMA_FLOATS_16
#undef TL_WGMMA_HALVES_16
#undef TL_WGMMA_FLOATS_32
#undef TL_WGMMA_FLOATS_8
#undef TL_WGMMA_HALVES_8
#undef TL_WGMMA_INTEGERS_8
#undef TL_WGMMA_NOT_READ

#endif
