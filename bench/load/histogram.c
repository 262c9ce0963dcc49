#include "histogram.h"

static unsigned bucket_of(uint64_t ns) {
  if (ns < STEPS) return (unsigned)ns;
  unsigned power = 63u - (unsigned)__builtin_clzll(ns) - STEPS_BITS + 1u;
  if (power > POWERS) return STEPS * (POWERS + 1) - 1;
  /* The top bit is set by now: the halves of `counts` below STEPS / 2 stay empty, which costs nothing. */
  return power * STEPS + (unsigned)(ns >> power);
}

static double middle_of(unsigned bucket) {
  unsigned power = bucket / STEPS;
  double low = (double)(bucket % STEPS);
  return power == 0 ? low : (low + 0.5) * (double)(1ull << power);
}

void histogram_add(Histogram *histogram, uint64_t ns) {
  histogram->counts[bucket_of(ns)]++;
  histogram->total++;
  if (ns > histogram->max_ns) histogram->max_ns = ns;
}

double histogram_us(const Histogram *histogram, double share) {
  if (histogram->total == 0) return 0;
  uint64_t rank = (uint64_t)(share * (double)(histogram->total - 1)) + 1, seen = 0;
  if (rank >= histogram->total) return (double)histogram->max_ns / 1000.0;
  for (unsigned bucket = 0; bucket < STEPS * (POWERS + 1); bucket++) {
    seen += histogram->counts[bucket];
    if (seen >= rank) return middle_of(bucket) / 1000.0;
  }
  return (double)histogram->max_ns / 1000.0;
}
