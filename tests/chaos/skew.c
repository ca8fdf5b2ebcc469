/* Preloaded into a process, moves its wall clock by CHAOS_SKEW_SECONDS and leaves the monotonic one alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  static long skew;
  if (!real) {
    const char *given = getenv("CHAOS_SKEW_SECONDS");
    skew = given ? atol(given) : 0;
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  }
  int result = real(clock, out);
  if (result == 0 && clock == CLOCK_REALTIME) out->tv_sec += skew;
  return result;
}
