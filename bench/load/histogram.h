/* Latencies in buckets whose width grows with the value: any number of them in fixed memory, off by at most 0.4 %. */
#ifndef ZLOAD_HISTOGRAM_H
#define ZLOAD_HISTOGRAM_H
#include <stdint.h>

enum {
  STEPS_BITS = 8,
  STEPS = 1 << STEPS_BITS, /* half of them used per power of two, so that half a bucket is at most 1/256 of its value */
  POWERS = 40,             /* up to 2^48 ns, three days */
};

typedef struct {
  uint64_t counts[STEPS * (POWERS + 1)];
  uint64_t total;
  uint64_t max_ns; /* exact */
} Histogram;

void histogram_add(Histogram *histogram, uint64_t ns);

/* The value that `share` (0 to 1) of all values do not exceed, in microseconds; 0 when there are none. */
double histogram_us(const Histogram *histogram, double share);

#endif
