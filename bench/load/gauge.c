/*
 * CPU time comes from the clock of the process (clock_getcpuclockid), which the scheduler keeps in nanoseconds for the
 * whole thread group: utime and stime in /proc/PID/stat count in ticks of 10 ms, too coarse for a second of light load,
 * and a sum over task/N/schedstat loses the threads that have ended.
 */
#include "gauge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Brokers of one process, or a launcher with its child: more levels than this is not a tree of a broker. */
enum { DEPTH_MAX = 4 };

static uint64_t read_clock(clockid_t id) {
  struct timespec t;
  if (clock_gettime(id, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

uint64_t own_cpu_ns(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

typedef void Visit(int pid, void *sum);

static void visit_tree(int pid, Visit *visit, void *sum, int depth) {
  char path[64];
  int child;
  visit(pid, sum);
  if (depth >= DEPTH_MAX) return;
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) return;
  while (fscanf(file, "%d", &child) == 1) visit_tree(child, visit, sum, depth + 1);
  fclose(file);
}

static void add_cpu(int pid, void *sum) {
  clockid_t id;
  if (clock_getcpuclockid(pid, &id) == 0) *(uint64_t *)sum += read_clock(id);
}

uint64_t process_cpu_ns(int pid) {
  uint64_t sum = 0;
  if (pid > 0) visit_tree(pid, add_cpu, &sum, 0);
  return sum;
}

uint64_t process_waited_ns(int pid) {
  char path[64];
  unsigned long long ran, waited = 0;
  snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
  FILE *file = pid > 0 ? fopen(path, "r") : NULL;
  if (file == NULL) return 0;
  if (fscanf(file, "%llu %llu", &ran, &waited) != 2) waited = 0;
  fclose(file);
  return waited;
}

/* The number behind `key` in /proc/PID/NAME, or 0. */
static long read_kb(int pid, const char *name, const char *key) {
  char path[64], line[256], format[64];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  snprintf(format, sizeof format, "%s: %%ld", key);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, format, &kb) == 1) break;
  }
  fclose(file);
  return kb;
}

static void add_memory(int pid, void *sum) {
  Memory *memory = sum;
  memory->rss_kb += read_kb(pid, "status", "VmRSS");
  memory->anon_kb += read_kb(pid, "status", "RssAnon");
  memory->pss_kb += read_kb(pid, "smaps_rollup", "Pss");
}

Memory process_memory(int pid) {
  Memory memory = {0, 0, 0};
  if (pid > 0) visit_tree(pid, add_memory, &memory, 0);
  return memory;
}

_Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("zload: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}
