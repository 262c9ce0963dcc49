/*
 * zload: a load for MQTT brokers, one thread on epoll, and what it does to them as one line of JSON.
 *
 *   zload MODE -p PORT [options]        zload start -p PORT [options] -- PROGRAM ARGUMENTS
 *
 * bench/README.md tells what each mode measures. A mode is a file of its own: flow.c, pace.c, hold.c, churn.c,
 * retained.c, start.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gauge.h"
#include "modes.h"

enum { PREPARE_SECONDS_MAX = 900 };

static const char USAGE[] =
    "zload MODE -p PORT [options]; one line of JSON on stdout\n"
    "  flow      closed loop: delivered messages per second\n"
    "  pace      fixed rate: latency, loss, the broker's CPU time per message\n"
    "  hold      idle connections with subscriptions: memory of each\n"
    "  churn     connect, CONNACK, close, again: connects per second\n"
    "  retained  a new # subscriber on many retained messages while others go on\n"
    "  start     runs the program after --: time to its first CONNACK, memory after --secs\n"
    "  --host ADDRESS   127.0.0.1              -p, --port N       the broker's port\n"
    "  --pid N          the broker's process   --mqtt 4|5         3.1.1 or 5.0 (4)\n"
    "  --secs N         counted (3)            --warm N           before that (1)\n"
    "  --pubs N         publishers, and connections of hold (1)\n"
    "  --subs N         subscribers (1)        --fan own|all|one  whose messages each takes (own)\n"
    "  --qos 0|1|2                             --bytes N          payload, 8 or more (64)\n"
    "  --window N       flow: under way per publisher (256)\n"
    "  --rate N         pace, retained: published per second in all (1000)\n"
    "  --filter exact|plus|hash                --depth N          levels of a topic (4)\n"
    "  --topics N       per publisher (1)      --extra-filters N  with wildcards, matching nothing (0)\n"
    "  --stalled N      subscribers that stop reading (0), with --fan all\n"
    "  --retained N     retained messages published before (0)\n"
    "  --at-once N      hold, churn: unfinished connections (64)\n"
    "  --filters-each N hold: subscriptions per connection (1)\n";

void json_begin(const char *mode) {
  printf("{\"mode\":\"%s\"", mode);
}

void json_number(const char *key, double value, int decimals) {
  printf(",\"%s\":%.*f", key, decimals, isfinite(value) ? value : 0.0);
}

void json_end(void) {
  puts("}");
  fflush(stdout);
}

void json_memory(const Options *options) {
  if (options->broker_pid <= 0) return;
  Memory memory = process_memory(options->broker_pid);
  json_number("rss_kb", (double)memory.rss_kb, 0);
  json_number("anon_kb", (double)memory.anon_kb, 0);
  json_number("pss_kb", (double)memory.pss_kb, 0);
}

void json_latency(const char *prefix, const Histogram *latency) {
  static const struct {
    const char *name;
    double share;
  } SHARES[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
  char key[32];
  if (latency->total == 0) return;
  for (size_t at = 0; at < sizeof SHARES / sizeof *SHARES; at++) {
    snprintf(key, sizeof key, "%s%s", prefix, SHARES[at].name);
    json_number(key, histogram_us(latency, SHARES[at].share), 1);
  }
}

typedef struct {
  const char *name;
  int *value;
  int min, max;
} IntegerOption;

static double parse_number(const char *name, const char *text, double min, double max) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= min && value <= max))
    fail("--%s %s: expected a number from %g to %g", name, text, min, max);
  return value;
}

static int parse_word(const char *name, const char *text, const char *const *words) {
  for (int at = 0; words[at] != NULL; at++)
    if (strcmp(words[at], text) == 0) return at;
  fail("--%s %s: no such value; see zload --help", name, text);
}

/* Reads one option that is no whole number; false when it is none of these either. */
static bool parse_other(Options *options, const char *name, const char *text) {
  static const char *const FANS[] = {"own", "all", "one", NULL};
  static const char *const FILTERS[] = {"exact", "plus", "hash", NULL};
  if (strcmp(name, "host") == 0) {
    options->target.host = text;
  } else if (strcmp(name, "secs") == 0) {
    options->seconds = parse_number(name, text, 0, 86400);
  } else if (strcmp(name, "warm") == 0) {
    options->warm_seconds = parse_number(name, text, 0, 3600);
  } else if (strcmp(name, "rate") == 0) {
    options->rate = parse_number(name, text, 0.1, 1e7);
  } else if (strcmp(name, "fan") == 0) {
    options->fan = (Fan)parse_word(name, text, FANS);
  } else if (strcmp(name, "filter") == 0) {
    options->filter_style = (FilterStyle)parse_word(name, text, FILTERS);
  } else {
    return false;
  }
  return true;
}

static void parse_option(Options *options, const char *name, const char *text) {
  const IntegerOption integers[] = {
      {"port", &options->target.port, 1, 65535},
      {"mqtt", &options->target.version, 4, 5},
      {"pid", &options->broker_pid, 1, 1 << 30},
      {"pubs", &options->pubs, 1, 100000},
      {"subs", &options->subs, 1, 100000},
      {"qos", &options->qos, 0, 2},
      {"bytes", &options->payload_bytes, STAMP_BYTES, 1 << 20},
      {"window", &options->window, 1, 30000},
      {"depth", &options->depth, 4, 200},
      {"topics", &options->topics, 1, 1000000},
      {"extra-filters", &options->extra_filters, 0, 10000000},
      {"stalled", &options->stalled, 0, 100000},
      {"retained", &options->retained, 0, 100000000},
      {"at-once", &options->at_once, 1, 100000},
      {"filters-each", &options->filters_each, 1, 1000},
  };
  for (size_t at = 0; at < sizeof integers / sizeof *integers; at++) {
    if (strcmp(integers[at].name, name) != 0) continue;
    *integers[at].value = (int)parse_number(name, text, integers[at].min, integers[at].max);
    return;
  }
  if (!parse_other(options, name, text)) fail("--%s: no such option; see zload --help", name);
}

static void check(const Options *options, const char *mode) {
  if (options->target.port == 0) fail("--port is missing");
  if (options->stalled > 0 && (options->fan != FAN_ALL || options->stalled >= options->subs))
    fail("--stalled needs --fan all and more subscribers than stop reading");
  if ((options->command != NULL) != (strcmp(mode, "start") == 0))
    fail("start, and only start, takes a program after --");
}

static Options parse(int count, char **arguments) {
  Options options = {
      .target = {"127.0.0.1", 0, 4}, .seconds = 3, .warm_seconds = 1, .pubs = 1,     .subs = 1,
      .payload_bytes = 64,           .window = 256, .rate = 1000,     .depth = 4,    .topics = 1,
      .at_once = 64,                 .filters_each = 1,
  };
  for (int at = 2; at < count; at += 2) {
    if (strcmp(arguments[at], "--") == 0 && at + 1 < count) {
      options.command = arguments + at + 1;
      break;
    }
    const char *name = strcmp(arguments[at], "-p") == 0 ? "--port" : arguments[at];
    if (strncmp(name, "--", 2) != 0 || at + 1 >= count) fail("%s: no option with a value; see zload --help", name);
    parse_option(&options, name + 2, arguments[at + 1]);
  }
  check(&options, arguments[1]);
  return options;
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(const Options *options);
  } MODES[] = {
      {"flow", run_flow},         {"pace", run_pace},   {"hold", run_hold}, {"churn", run_churn},
      {"retained", run_retained}, {"start", run_start},
  };
  if (count < 2 || strcmp(arguments[1], "--help") == 0) {
    fputs(USAGE, count < 2 ? stderr : stdout);
    return count < 2 ? 2 : 0;
  }
  for (size_t at = 0; at < sizeof MODES / sizeof *MODES; at++) {
    if (strcmp(MODES[at].name, arguments[1]) != 0) continue;
    Options options = parse(count, arguments);
    /* Whatever hangs ends: the time that was asked for, and as much again as the slowest broker needs before it. */
    alarm((unsigned)(options.seconds + options.warm_seconds) + PREPARE_SECONDS_MAX);
    MODES[at].run(&options);
    return 0;
  }
  fail("%s: no such mode; see zload --help", arguments[1]);
}
