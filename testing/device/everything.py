"""A kernel text that instantiates every function of the device library, for the types that each takes."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

INTEGERS = ("int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t")
FLOATS = ("float", "double", "tl::half_t", "tl::bfloat16_t")
FLOAT8 = ("tl::float8_e4m3_t", "tl::float8_e5m2_t")
SCALARS = (*INTEGERS, *FLOATS, *FLOAT8, "bool")

_UNARY = (
    "exp exp2 exp10 log log2 log10 log1p expm1 sqrt rsqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh erf "
    "floor ceil round trunc nearbyint fabs abs sigmoid fast_exp fast_exp2 fast_exp10 fast_log fast_log2 fast_log10 fast_sin "
    "fast_cos fast_tan fast_tanh fast_sqrt fast_rsqrt fast_rcp"
).split()
_BINARY = "atan2 pow fmod hypot copysign fast_div fast_pow min max".split()


def _casts() -> str:
    body = "\n".join(
        f"  {{ auto* p = reinterpret_cast<{s}*>(in); auto* q = reinterpret_cast<{t}*>(out); q[i] = tl::cast<{t}>(p[i]); }}"
        for s in SCALARS
        for t in SCALARS
    )
    arrays = "\n".join(
        f"  tl::cast_array<4>(reinterpret_cast<{t}*>(out) + 4 * i, reinterpret_cast<const float*>(in) + 4 * i);"
        for t in (*FLOATS, *FLOAT8)
    )
    unpacked = "\n".join(
        f"  tl::unpack<{bits}, 16, {1 << (bits - 1)}u, -{1 << (bits - 1)}>(reinterpret_cast<{t}*>(out) + 16 * i, in + 16 * i);"
        for t in ("tl::half_t", "tl::bfloat16_t")
        for bits in (1, 2, 4, 8)
    )
    tables = "\n".join(
        f"  tl::look_up<{bits}, 16, {', '.join(['0x0123456789abcdefull'] * words)}>(reinterpret_cast<{t}*>(out) + 16 * i, in + 16 * i);"
        for t, words in (("tl::half_t", 4), ("tl::bfloat16_t", 4), ("int8_t", 2), *((t, 2) for t in FLOAT8))
        for bits in (1, 2, 4)
    )
    float4 = "  reinterpret_cast<uint8_t*>(out)[i] = tl::encode_float4(reinterpret_cast<const float*>(in)[i]);"
    return _kernel("casts", f"{body}\n{arrays}\n{unpacked}\n{tables}\n{float4}")


def _arithmetic() -> str:
    parts = []
    for t in (*FLOATS, *FLOAT8):
        lines = [f"auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out); {t} a = p[i], b = p[i + 1];"]
        lines += [f"q[i] = a {op} b; a {op}= b;" for op in "+-*/"]
        lines += [
            f"q[i] = tl::infinity<{t}>(); q[i] = tl::quiet_nan<{t}>(); q[i] = -a;",
            "*flag = a < b || a <= b || a > b || a >= b || a == b || a != b;",
        ]
        lines += ["q[i] = tl::min(a, b); q[i] = tl::max(a, b); *flag = tl::isnan(a) || tl::isinf(a) || tl::isfinite(a);"]
        if t in FLOATS:
            lines += [f"q[i] = tl::{f}(a);" for f in _UNARY] + [f"q[i] = tl::{f}(a, b);" for f in _BINARY]
            lines.append("q[i] = tl::fma(a, b, a);")
        parts.append("  { " + "\n    ".join(lines) + " }")
    for t in INTEGERS:
        lines = [f"auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out); {t} a = p[i], b = p[i + 1];"]
        calls = ("floordiv(a, b)", "floormod(a, b)", "shl(a, b)", "shr(a, b)", "min(a, b)", "max(a, b)", "abs(a)")
        lines += [f"q[i] = tl::{c};" for c in calls] + ["*flag = tl::popcount(a) + tl::clz(a);"]
        parts.append("  { " + "\n    ".join(lines) + " }")
    parts.append("  *flag = tl::reinterpret<int32_t>(*reinterpret_cast<float*>(in));")
    return _kernel("arithmetic", "\n".join(parts))


def _memory() -> str:
    lines = ["  alignas(16) char local[32];", "  char* shared = tl::dyn_smem();"]
    for b in (1, 2, 4, 8, 16, 32):
        lines.append(f"  tl::load<{b}>(local, in + i * {b}); tl::store<{b}>(out + i * {b}, local);")
        lines.append(f"  tl::load<{b}>(local, in + i * {b}, i < 9); tl::store<{b}>(out + i * {b}, local, i < 9);")
    lines += [
        f"  tl::cp_async<{b}>(shared + i * 16, in + i * 16); tl::cp_async<{b}>(shared + i * 16, in, i < 9);" for b in (4, 8, 16)
    ]
    lines.append("  tl::cp_async_commit(); tl::cp_async_wait<1>(); tl::cp_async_wait<0>();")
    lines.append("  tl::sync_threads(); tl::sync_warp(); tl::bar_sync<1>(64); tl::bar_arrive<2>(64);")
    lines.append("  tl::fence_block(); tl::fence_device();")
    return _kernel("memory", "\n".join(lines))


def _warp() -> str:
    lines = []
    for t in SCALARS:
        lines.append(f"  {{ auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out); {t} a = p[i];")
        lines.append(
            "    q[i] = tl::shfl_xor(a, 1); q[i] = tl::shfl(a, 3); q[i] = tl::shfl_up(a, 1); q[i] = tl::shfl_down(a, 1);"
        )
        if t != "bool":
            operators = ["sum", "max", "min", "absmax", "abssum", "max_nan", "min_nan"]
            operators += ["bitand", "bitor", "bitxor"] if t in INTEGERS else []
            lines += [f"    q[i] = tl::warp_reduce<tl::op_{op}, 8, 4>(a);" for op in operators]
        lines.append("  }")
    lines.append("  struct wide { uint32_t x[4]; }; auto* w = reinterpret_cast<wide*>(in); w[i] = tl::shfl_xor(w[i], 16);")
    lines.append("  *flag = tl::elect_one() + tl::ballot(i > 3) + tl::any(i > 3) + tl::all(i > 3);")
    return _kernel("warp", "\n".join(lines))


def _atomics() -> str:
    lines = []
    for t in ("int32_t", "uint32_t", "int64_t", "uint64_t", *FLOATS):
        lines.append(f"  {{ auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out); {t} a = q[i];")
        operations = ["add", "max", "min"] + (["and", "or", "xor"] if t in INTEGERS else [])
        lines += [
            f"    q[i] = tl::atomic_{op}(p, a); q[i] = tl::atomic_{op}<tl::memory_order::acq_rel>(p, a);" for op in operations
        ]
        lines.append("    q[i] = tl::atomic_load(p); tl::atomic_store<tl::memory_order::release>(p, a);")
        lines.append("    tl::atomic_add_vec<2>(p, q); tl::atomic_add_vec<4>(p, q); }")
    return _kernel("atomics", "\n".join(lines))


def _matrix(float8: bool, stmatrix: bool) -> str:
    lines = ["  char* shared = tl::dyn_smem();"]
    for n in (1, 2, 4):
        for form in (f"x{n}", f"x{n}_trans"):
            lines.append(f"  {{ alignas(16) tl::half_t r[{2 * n}]; tl::ldmatrix_{form}(r, shared + i * 16);")
            lines.append(f"    tl::store<{min(16, 4 * n)}>(out + i * 16, r);")
            lines += [f"    tl::stmatrix_{form}(shared + i * 16, r);"] if stmatrix else []
            lines.append("  }")
    combinations = [("m16n8k16", "tl::half_t", "tl::half_t", c) for c in ("float", "tl::half_t")]
    combinations += [("m16n8k16", "tl::bfloat16_t", "tl::bfloat16_t", "float"), ("m16n8k8", "float", "float", "float")]
    combinations += [("m16n8k32", a, b, "int32_t") for a in ("int8_t", "uint8_t") for b in ("int8_t", "uint8_t")]
    combinations += [("m16n8k32", a, b, "float") for a in FLOAT8 for b in FLOAT8] if float8 else []
    combinations.append(("m8n8k4", "double", "double", "double"))
    sparse = {"m16n8k16": "m16n8k32", "m16n8k8": "m16n8k16", "m16n8k32": "m16n8k64"}
    for shape, a, b, c in combinations:
        lines.append(f"  {{ auto* p = reinterpret_cast<{a}*>(in); auto* s = reinterpret_cast<{b}*>(in);")
        lines.append(f"    auto* q = reinterpret_cast<{c}*>(out);")
        lines.append(f"    alignas(16) {a} x[16]; alignas(16) {b} y[16]; alignas(16) {c} z[4];")
        lines.append("    for (int j = 0; j < 16; ++j) x[j] = p[i * 16 + j], y[j] = s[i * 8 + j];")
        lines.append("    for (int j = 0; j < 4; ++j) z[j] = q[i * 4 + j];")
        lines.append(f"    tl::mma_{shape}(z, x, y); tl::mma_ready();")
        if shape in sparse:
            lines.append(f"    tl::mma_sp_{sparse[shape]}(z, x, y, tl::sparse_metadata(*flag));")
            lines += [f"    tl::mma_sp_{sparse[shape]}<1>(z, x, y, *flag);"] if shape != "m16n8k32" else []
        lines.append("    for (int j = 0; j < 4; ++j) q[i * 4 + j] = z[j]; }")
    return _kernel("matrix", "\n".join(lines))


def _print() -> str:
    lines = ['  tl::print_message("m"); tl::device_assert(i < 99, "message");']
    for t in SCALARS:
        lines.append(
            f'  tl::print_value("m", *reinterpret_cast<{t}*>(in)); tl::print_element("m", "A", 3, *reinterpret_cast<{t}*>(in));'
        )
    return _kernel("print", "\n".join(lines))


_COPIES = """
  char* s = tl::dyn_smem(); uint64_t* b = reinterpret_cast<uint64_t*>(s + 65536); tl::mbarrier_init(b, 1);
  tl::fence_mbarrier_init(); tl::sync_threads(); tl::mbarrier_arrive(b); tl::mbarrier_arrive_count(b, 2);
  tl::mbarrier_arrive_expect_tx(b, 64); tl::mbarrier_expect_tx(b, 5); tl::mbarrier_complete_tx(b, 5);
  tl::mbarrier_arrive_remote(b, 1); tl::mbarrier_arrive_expect_tx_remote(b, 1, 5); tl::mbarrier_wait(b, 0); y[0] =
  tl::mbarrier_test_wait(b, 1) + tl::mbarrier_try_wait(b, 1); tl::cp_async_mbarrier_arrive(b);
  tl::cp_async_mbarrier_arrive_noinc(b); tl::mbarrier_invalidate(b); tl::tma_prefetch(&m); uint64_t pol =
  tl::l2_evict_last(); tl::tma_load(s, &m, b, 1); tl::tma_load(s, &m, b, 1, 2); tl::tma_load(s, &m, b, 1, 2, 3);
  tl::tma_load(s, &m, b, 1, 2, 3, 4); tl::tma_load(s, &m, b, 1, 2, 3, 4, 5); tl::tma_load_hint(s, &m, b, pol, 1, 2);
  tl::tma_load_multicast(s, &m, b, 3, 1, 2); tl::tma_load_multicast_hint(s, &m, b, 3, pol, 1, 2);
  tl::tma_load_im2col(s, &m, b, 1, 2, 3, 0); tl::tma_load_im2col(s, &m, b, 1, 2, 3, 4, 0, 1); tl::tma_load_im2col(s,
  &m, b, 1, 2, 3, 4, 5, 0, 1, 2); tl::tma_load_im2col_multicast(s, &m, b, 3, 1, 2, 3, 4, 0, 1); tl::tma_store(&m, s,
  1); tl::tma_store(&m, s, 1, 2, 3, 4, 5); tl::tma_store_hint(&m, s, pol, 1, 2); tl::tma_store_im2col(&m, s, 1, 2, 3,
  4); tl::tma_reduce<tl::bulk_op::add>(&m, s, 1, 2); tl::tma_reduce<tl::bulk_op::bit_xor>(&m, s, 1, 2, 3);
  tl::tma_prefetch_box(&m, 1, 2); tl::bulk_commit(); tl::bulk_wait<1>(); tl::bulk_wait_read<0>(); tl::bulk_load(s, y,
  64, b); tl::bulk_load_hint(s, y, 64, b, pol); tl::bulk_load_multicast(s, y, 64, b, 3); tl::bulk_store(y, s, 64);
  tl::bulk_store_hint(y, s, 64, pol); tl::bulk_copy_to_rank(s, s + 64, 64, b, 1); tl::bulk_reduce<tl::bulk_op::add>(y,
  s, 64); tl::bulk_reduce<tl::bulk_op::min>(hh, s, 64); tl::bulk_reduce<tl::bulk_op::inc>(u, s, 64);
  tl::bulk_reduce_to_rank<tl::bulk_op::add>(u, s, 64, b, 1); tl::bulk_prefetch(y, 64); tl::cluster_arrive();
  tl::cluster_wait(); tl::cluster_sync(); tl::cluster_arrive_relaxed(); tl::cluster_wait();
  *tl::map_shared_rank(reinterpret_cast<float*>(s), 1) = tl::cluster_rank() + tl::cluster_size();
  tl::grid_dependency_wait(); tl::grid_launch_dependents(); tl::grid_sync(u); tl::fence_proxy_async();
  tl::fence_proxy_async_global(); tl::fence_cluster(); tl::fence_system();"""


def _copies() -> str:
    parameters = "const __grid_constant__ tl::tensor_map m, float* y, uint32_t* u, tl::half_t* hh"
    head = f'extern "C" __global__ void __launch_bounds__(128) copies({parameters}) {{'
    registers = "tl::set_max_registers_decrease<40>(); tl::set_max_registers_increase<232>();"
    tail = f'extern "C" __global__ void __launch_bounds__(384, 1) registers() {{ {registers} }}'
    return f"{head}{_COPIES}\n}}\nTL_ENTRY(copies)\n{tail}\nTL_ENTRY(registers)\n"


def _wgmma(n: int) -> str:
    """Every operand type with one N; MN-major and negated operands where they exist."""
    lines = ["  char* s = tl::dyn_smem();", "  alignas(16) char raw[128] = {}; tl::load<16>(raw, in + i * 16);"]
    lines.append(
        "  const uint64_t a = tl::wgmma_descriptor<128>(s, 16, 1024), b = tl::wgmma_advance(tl::wgmma_descriptor<0>(s, 128, 256), 64);"
    )
    combinations = [("tl::half_t", "tl::half_t", c) for c in ("float", "tl::half_t")]
    combinations += [("tl::bfloat16_t", "tl::bfloat16_t", "float"), ("float", "float", "float")]
    combinations += [(a, b, c) for a in FLOAT8 for b in FLOAT8 for c in ("float", "tl::half_t")]
    combinations += [(a, b, "int32_t") for a in ("int8_t", "uint8_t") for b in ("int8_t", "uint8_t")]
    for a, b, c in combinations:
        lines.append(f"  {{ alignas(16) {c} d[{n // 2}]; auto* q = reinterpret_cast<{c}*>(out) + i * {n // 2};")
        lines.append(f"    for (int j = 0; j < {n // 2}; ++j) d[j] = q[j];")
        lines.append(f"    tl::wgmma_fence(); tl::wgmma_ss<{a}, {b}, {n}>(d, a, b, i > 400);")
        if a in ("tl::half_t", "tl::bfloat16_t"):
            lines.append(f"    tl::wgmma_ss<{a}, {b}, {n}, true, true, -1, 1>(d, a, b, true);")
        lines.append(f"    tl::wgmma_commit(); tl::wgmma_wait<1>(); tl::wgmma_wait<0>(); tl::wgmma_pin<{n}>(d);")
        lines.append(f"    tl::wgmma_fence(); tl::wgmma_rs<{a}, {b}, {n}>(d, reinterpret_cast<{a}*>(raw), b, true);")
        lines.append(f"    tl::wgmma_sp_ss<{a}, {b}, {n}>(d, a, b, *flag, i > 400);")
        lines.append(f"    tl::wgmma_sp_rs<{a}, {b}, {n}>(d, reinterpret_cast<{a}*>(raw), b, *flag, true);")
        if a in ("tl::half_t", "tl::bfloat16_t"):
            lines.append(f"    tl::wgmma_sp_ss<{a}, {b}, {n}, true, true, 1, -1, 1>(d, a, b, *flag, true);")
            lines.append(f"    tl::wgmma_sp_rs<{a}, {b}, {n}, true, 1, -1, 1>(d, reinterpret_cast<{a}*>(raw), b, *flag, true);")
        lines.append(f"    tl::wgmma_commit(); tl::wgmma_wait<0>(); tl::wgmma_pin<{n}>(d);")
        steps = 2 if n % 16 else 4 if n % 32 else 8
        lines.append(
            f"    tl::wgmma_fence(); tl::wgmma_ss_steps<{a}, {b}, {n}, false, false, {steps}, 32, 64>(d, a, b, i > 400);"
            f" tl::wgmma_rs_steps<{a}, {b}, {n}, false, {steps}, 64>(d, reinterpret_cast<{a}*>(raw), b, true);"
            f" tl::wgmma_ss_steps<{a}, {b}, {n}, false, false, {steps}, 32, 64>(d, a, b, tl::overwrite());"
            f" tl::wgmma_ss<{a}, {b}, {n}>(d, a, b, tl::overwrite());"
        )
        lines.append(f"    tl::wgmma_commit(); tl::wgmma_wait<0>(); tl::wgmma_pin<{n}>(d);")
        lines.append(f"    for (int j = 0; j < {n // 2}; ++j) q[j] = d[j]; }}")
    return _kernel(f"wgmma{n}", "\n".join(lines))


def _vectors() -> str:
    lines = []
    for t in FLOATS:
        lines += [
            f"  {{ auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out);",
            "    auto a = tl::pack(p[i], p[i + 1]), b = tl::broadcast<2>(p[i + 2]);",
            f"    auto c = tl::lanewise([]({t} x, {t} y, {t} z) {{ return tl::fma(x, y, z); }}, a, b, a + b - a * b / a);",
            "    c = tl::select(a < b, tl::min(a, c), tl::max(b, c));",
            "    q[i] = tl::lane<0>(c); q[i + 1] = tl::lane<1>(tl::cast_lanes<float>(c)) > 0 ? p[i] : p[i + 1]; }",
        ]
    lines += [
        "  auto w = tl::load_as<tl::vec<uint32_t, 8>>(in + 32 * i); tl::store_as(out + 32 * i, w, i < 9);",
        "  auto v = tl::load_as<tl::vec<uint32_t, 4>>(in + 16 * i, i < 9); tl::store_as(out + 16 * i, v);",
        "  auto r = tl::ramp<4>(i, 3) % tl::broadcast<4>(7); *flag = tl::lane<3>(r);",
        "  *flag += tl::load_read_only(reinterpret_cast<const int32_t*>(in) + i);",
        "  reinterpret_cast<double*>(out)[i] = tl::load_read_only(reinterpret_cast<const double*>(in) + i);",
        "  reinterpret_cast<tl::half_t*>(out)[i] = tl::load_read_only(reinterpret_cast<const tl::half_t*>(in) + i);",
        "  int sum = 0; tl::dp4a(reinterpret_cast<int8_t*>(in), reinterpret_cast<int8_t*>(in) + 4, &sum);",
        "  tl::dp4a(reinterpret_cast<uint8_t*>(in), reinterpret_cast<int8_t*>(in) + 4, &sum); *flag += sum;",
        "  *flag += tl::ffs(i) + static_cast<int>(tl::fns(0xff0u, 3, i));",
    ]
    return _kernel("vectors", "\n".join(lines))


def _rounding() -> str:
    lines = []
    for mode in ("rn", "rz", "ru", "rd"):
        for t in ("float", "double"):
            m = f"tl::rounding::{mode}"
            lines.append(
                f"  {{ auto* p = reinterpret_cast<{t}*>(in); auto* q = reinterpret_cast<{t}*>(out); {t} a = p[i], b = p[i + 1];"
            )
            lines.append(
                f"    q[i] = tl::ieee_add<{m}>(a, b) + tl::ieee_sub<{m}>(a, b) + tl::ieee_mul<{m}>(a, b) + tl::ieee_div<{m}>(a, b);"
            )
            lines.append(
                f"    q[i] += tl::ieee_fma<{m}>(a, b, a) + tl::ieee_sqrt<{m}>(a) + tl::ieee_rcp<{m}>(b) + tl::ldexp(a, 3) + tl::nextafter(a, b); }}"
            )
    for t in ("tl::half_t", "tl::bfloat16_t", *FLOAT8, "float", "int32_t"):
        for mode in ("rn", "rz", "ru", "rd", "rna"):
            for flag in ("true", "false"):
                lines.append(
                    f"  reinterpret_cast<{t}*>(out)[i] = tl::cast_rounded<{t}, tl::rounding::{mode}, {flag}>(reinterpret_cast<double*>(in)[i]);"
                )
        if t != "int32_t":
            lines.append(
                f"  reinterpret_cast<{t}*>(out)[i] = tl::cast_stochastic<{t}, true>(reinterpret_cast<float*>(in)[i], 17u);"
            )
    lines.append("  reinterpret_cast<float*>(out)[i] = tl::ieee_rsqrt(reinterpret_cast<float*>(in)[i]);")
    return _kernel("rounding", "\n".join(lines))


def _threads() -> str:
    lines = [
        "  float x = reinterpret_cast<float*>(in)[i];",
        "  x = tl::shfl<8>(x, 3) + tl::shfl_up<8>(x, 1) + tl::shfl_down<16>(x, 2) + tl::shfl_xor<4>(x, 3) + tl::warp_scan<tl::op_sum>(x);",
        "  tl::combine<tl::op_max>(&x, 3.0f);",
        "  *flag = tl::match_any(i) + tl::match_all(x) + tl::activemask() + tl::lane_id();",
        "  *flag += tl::syncthreads_count(i > 3) + tl::syncthreads_and(i > 3) + tl::syncthreads_or(i > 3);",
        "  uint32_t state[16]; tl::philox_init(state, 1, i, 2); *flag += tl::philox_next(state);",
        "  x += tl::philox_uniform32(state) + tl::philox_normal32(state);",
        "  reinterpret_cast<double*>(out)[i] = tl::philox_uniform64(state) + tl::philox_normal64(state) + x;",
    ]
    return _kernel("threads", "\n".join(lines))


def _ampere_barriers() -> str:
    body = "tl::mbarrier_init(b, 1); tl::mbarrier_arrive(b); tl::mbarrier_wait(b, 0); tl::mbarrier_invalidate(b);"
    body += " *flag = i + tl::mbarrier_test_wait(b, 1); tl::cp_async_mbarrier_arrive(b); tl::cp_async_mbarrier_arrive_noinc(b);"
    body += " tl::grid_sync(reinterpret_cast<uint32_t*>(out));"
    return _kernel("barriers", f"  auto* b = reinterpret_cast<uint64_t*>(tl::dyn_smem()); {body}")


def hopper_text(n: int) -> str:
    """What only sm_90a has: asynchronous copies, clusters, wgmma with one N."""
    names = ("core", "mbarrier", "tma", "bulk", "cluster", "cache_policy", "registers", f"wgmma/m64n{n}", f"wgmma_sp/m64n{n}")
    return "".join(f"#include <tl/{h}.h>\n" for h in names) + _copies() + _wgmma(n)


def blackwell_text(group: int) -> str:
    """What only sm_100a has, for products of `group` blocks: a kernel has one kind."""
    types = [("tl::half_t", "tl::half_t", c) for c in ("float", "tl::half_t")]
    types += [("tl::bfloat16_t", "tl::bfloat16_t", "float"), ("float", "float", "float")]
    types += [(a, b, c) for a in FLOAT8 for b in FLOAT8 for c in ("float", "tl::half_t")]
    types += [(a, b, "int32_t") for a in ("int8_t", "uint8_t") for b in ("int8_t", "uint8_t")]
    lines = ["  uint32_t* slot = reinterpret_cast<uint32_t*>(s); uint64_t* bar = reinterpret_cast<uint64_t*>(s + 16);"]
    lines.append(f"  if (i < 32) {{ tl::tcgen05_alloc<512, {group}>(slot); tl::tcgen05_relinquish<{group}>(); }}")
    lines.append("  tl::tcgen05_fence_before(); tl::sync_threads(); tl::tcgen05_fence_after(); const uint32_t d = *slot;")
    for swizzle in (0, 32, 64, 128):
        lines.append(f"  const uint64_t a{swizzle} = tl::tcgen05_descriptor<{swizzle}>(s, 16, 1024);")
    lines.append("  if (i == 0) {")
    for a, b, c in types:
        for m in (64 * group, 128 * group):
            orders = ((False, False), (True, True)) if a != "float" else ((False, False),)
            for ta, tb in orders:
                flags = f"{str(ta).lower()}, {str(tb).lower()}"
                lines.append(f"    tl::tcgen05_mma_ss<{a}, {b}, {c}, {m}, 64, {flags}, {group}>(d, a128, a0 + a32, *flag > 3);")
        lines.append(f"    tl::tcgen05_mma_ts<{a}, {b}, {c}, {128 * group}, 32, false, {group}>(d, d + 64, a64, true);")
    for a in FLOAT8:
        for b in FLOAT8:
            flags = f"{128 * group}, 64, true, false, {group}"
            lines.append(f"    tl::tcgen05_mma_scaled<{a}, {b}, {flags}>(d, a128, a64, d + 64, d + 68, *flag, i, true);")
    lines.append(f"    tl::tcgen05_cp_warpx4<{group}>(d, a0);")
    lines.append(f"    tl::tcgen05_commit<{group}>(bar);" + (" tl::tcgen05_commit_pair(bar, 3);" if group == 2 else "") + "\n  }")
    for t in ("float", "int32_t", "uint8_t"):
        for n in (1, 2, 4, 8, 16, 32, 64, 128):
            lines.append(f"  {{ alignas(16) {t} r[{n} * 4 / sizeof({t})]; tl::tcgen05_ld<{n}>(r, d); tl::tcgen05_wait_ld();")
            lines.append(f"    tl::tcgen05_pin<{n}>(r); *flag += r[0]; tl::tcgen05_st<{n}>(d, r); tl::tcgen05_wait_st(); }}")
    lines.append(f"  tl::sync_threads(); if (i < 32) tl::tcgen05_dealloc<512, {group}>(d);")
    body = "  char* s = tl::dyn_smem();\n" + "\n".join(lines)
    return "#include <tl/core.h>\n#include <tl/mbarrier.h>\n#include <tl/tcgen05.h>\n" + _kernel("tensor_memory", body)


def block_scale_text() -> str:
    """What only sm_120a has."""
    lines = ["  alignas(16) float c[4] = {}; const uint32_t s = *flag;"]
    lines.append("  alignas(16) uint8_t p[16]; __builtin_memcpy(p, in + i * 16, 16);")
    lines += [f"  tl::mma_scaled_m16n8k64<{t}>(c, p, p, s, s + 1);" for t in ("tl::float8_e4m3_t", "tl::float8_e8m0_t")]
    for a in FLOAT8:
        for b in FLOAT8:
            lines.append(
                f"  {{ alignas(16) {a} x[16]; alignas(16) {b} y[8]; __builtin_memcpy(x, p, 16); __builtin_memcpy(y, p, 8);"
            )
            lines.append("    tl::mma_scaled_m16n8k32(c, x, y, s, s + 1); }")
    lines.append("  __builtin_memcpy(out + i * 16, c, 16);")
    return "#include <tl/core.h>\n#include <tl/mma_scaled.h>\n" + _kernel("scaled", "\n".join(lines))


def _kernel(name: str, body: str) -> str:
    return f"""extern "C" __global__ void __launch_bounds__(128) {name}(char* in, char* __restrict__ out, int32_t* flag) {{
  const int i = threadIdx.x;
{body}
}}
TL_ENTRY({name})
"""


KERNELS = ("barriers", "casts", "arithmetic", "memory", "warp", "atomics", "matrix", "print", "vectors", "rounding", "threads")


def text(arch: int) -> str:
    """The whole library for an architecture, e.g. 80; the simulator has everything, as 90 does."""
    headers = "".join(
        f"#include <tl/{h}.h>\n"
        for h in (
            "core",
            "math",
            "limits",
            "shuffle",
            "reduce",
            "atomic",
            "cp_async",
            "ldmatrix",
            "mma",
            "mma_sp",
            "unpack",
            "float4",
            "print",
            "mbarrier",
            "cluster",
            "vector",
            "vote",
            "rounding",
            "random",
            "dot",
        )
    )
    kernels = (
        _casts(),
        _arithmetic(),
        _memory(),
        _warp(),
        _atomics(),
        _matrix(arch >= 89, arch >= 90),
        _print(),
        _ampere_barriers(),
        _vectors(),
        _rounding(),
        _threads(),
    )
    return headers + "\n".join(kernels)
