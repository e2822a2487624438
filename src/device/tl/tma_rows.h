// Four rows of a two-dimensional tensor by one tensor copy, sm_100 (PTX ISA 9.7.9.25.5 "cp.async.bulk.tensor", tile::gather4 and
// tile::scatter4). The map's box is one row; in shared memory the rows follow each other. Otherwise as <tl/tma.h>.
#pragma once
#include <tl/bulk_group.h>
#include <tl/tma_rows_access.h>

#if TL_BLACKWELL

namespace tl {

TL_FUNC void tma_gather4(void* smem, detail::map_argument map, uint64_t* barrier, int32_t column, int32_t r0, int32_t r1, int32_t r2, int32_t r3) {
  const int32_t at[] = {column, r0, r1, r2, r3};
  detail::gather_rows<false>(smem, map, barrier, at, 0);
}
TL_FUNC void tma_gather4_hint(void* smem, detail::map_argument map, uint64_t* barrier, uint64_t policy, int32_t column, int32_t r0, int32_t r1,
                              int32_t r2, int32_t r3) {
  const int32_t at[] = {column, r0, r1, r2, r3};
  detail::gather_rows<true>(smem, map, barrier, at, policy);
}
TL_FUNC void tma_scatter4(detail::map_argument map, const void* smem, int32_t column, int32_t r0, int32_t r1, int32_t r2, int32_t r3) {
  const int32_t at[] = {column, r0, r1, r2, r3};
  detail::scatter_rows<false>(map, smem, at, 0);
}
TL_FUNC void tma_scatter4_hint(detail::map_argument map, const void* smem, uint64_t policy, int32_t column, int32_t r0, int32_t r1, int32_t r2,
                               int32_t r3) {
  const int32_t at[] = {column, r0, r1, r2, r3};
  detail::scatter_rows<true>(map, smem, at, policy);
}

}  // namespace tl

#endif
