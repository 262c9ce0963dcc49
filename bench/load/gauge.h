/* Clocks, and what /proc and the kernel's clocks tell about the broker: CPU time and memory. */
#ifndef ZLOAD_GAUGE_H
#define ZLOAD_GAUGE_H
#include <stdint.h>

typedef struct {
  long rss_kb;  /* resident, shared pages included */
  long anon_kb; /* of these the anonymous ones: heap and stacks */
  long pss_kb;  /* resident, shared pages counted by their share; 0 where it may not be read */
} Memory;

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* User and system time of all threads of a process and of its children, in nanoseconds; ended threads included. */
uint64_t process_cpu_ns(int pid);

/* The same for this program. */
uint64_t own_cpu_ns(void);

/* How long the main thread of a process was ready to run and had no processor, in nanoseconds; 0 where unknown. */
uint64_t process_waited_ns(int pid);

/* Memory of a process and of its children. */
Memory process_memory(int pid);

/* One line to stderr, then the end with exit code 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
