/* The C interface of the checker and the trace. Plain C.
 *
 * A watcher observes the launches (tl_sim_launch) of the OS thread that has entered it. The kernel's object must have been
 * compiled for it: see tilelang/simulator/compiler.py.
 */
#ifndef TL_SIM_CHECK_H
#define TL_SIM_CHECK_H

#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

enum { TL_SIM_CHECK_RACE = 1, TL_SIM_CHECK_BOUNDS = 2, TL_SIM_CHECK_INIT = 4, TL_SIM_CHECK_DEADLOCK = 8, TL_SIM_CHECK_MISUSE = 16 };

typedef struct tl_sim_watcher tl_sim_watcher;

tl_sim_watcher* tl_sim_checker_new(uint32_t checks);
tl_sim_watcher* tl_sim_trace_new(void);
void tl_sim_watcher_free(tl_sim_watcher*);

/* The calling OS thread's launches are watched from now on, or with null no longer. */
void tl_sim_watch(tl_sim_watcher*);

/* Whether a checker watches the calling OS thread. */
int tl_sim_watching(void);

/* Global memory that kernels of the next launches may touch; `fresh`: it holds nothing yet, and is filled with 0xff bytes.
 * Returns 0, or 1 if the system refuses memory. Both do nothing where no checker watches. */
void tl_sim_forget_memory(void);
// The kernel follows addresses whose extent nobody knows: what lies outside all registered memory is not reported.
void tl_sim_checker_follow_pointers(tl_sim_watcher* checker);
int tl_sim_register_memory(const void* base, uint64_t bytes, const char* name, int fresh);

/* What was seen, as NUL-terminated JSON that lives until the next call with this watcher. */
const char* tl_sim_watcher_report(tl_sim_watcher*);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
