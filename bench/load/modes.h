/* What a load is made of, and the modes that make one. Each mode prints one line of JSON. */
#ifndef ZLOAD_MODES_H
#define ZLOAD_MODES_H
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "peer.h"

/* Whose messages a subscriber takes: those of one publisher, those of all, or there is one subscriber for all. */
typedef enum { FAN_OWN, FAN_ALL, FAN_ONE } Fan;

/* How a subscriber's filter is written where it takes one publisher: the topic itself, with `+`, or ending in `#`. */
typedef enum { FILTER_EXACT, FILTER_PLUS, FILTER_HASH } FilterStyle;

typedef struct {
  Target target;
  int broker_pid; /* 0: nothing is measured on the broker's side */
  double seconds; /* counted */
  double warm_seconds;
  int pubs, subs, qos;
  int payload_bytes;
  int window;  /* flow: messages per publisher that are published and not yet delivered everywhere */
  double rate; /* pace: messages published per second, by all publishers together */
  Fan fan;
  FilterStyle filter_style;
  int depth;             /* levels of a topic, at least 4 */
  int topics;            /* topics per publisher */
  int extra_filters;     /* filters with wildcards that match nothing, on one more connection */
  int stalled;           /* subscribers that stop reading after SUBACK; FAN_ALL only */
  int retained;          /* messages to be retained before the load begins */
  int at_once;           /* hold, churn: unfinished connections */
  int filters_each;      /* hold: subscriptions of each connection */
  char *const *command;  /* start: the broker's program and arguments, ends in NULL */
} Options;

void run_flow(const Options *options);
void run_pace(const Options *options);
void run_hold(const Options *options);
void run_churn(const Options *options);
void run_retained(const Options *options);
void run_start(const Options *options);

/* JSON on stdout, one line: begin, any number of values, end. */
void json_begin(const char *mode);
void json_number(const char *key, double value, int decimals);
void json_end(void);

/* p50_us, p99_us, p999_us and max_us behind a prefix; nothing when there was no message. */
void json_latency(const char *prefix, const Histogram *latency);

/* The broker's memory now as rss_kb, anon_kb and pss_kb; nothing without a pid. */
void json_memory(const Options *options);

#endif
