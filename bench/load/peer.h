/*
 * Connections to the broker and the one loop that serves them all: epoll, level-triggered, never blocking in a socket.
 * What comes in goes to two functions that the mode hands over; acknowledgements are answered here.
 */
#ifndef ZLOAD_PEER_H
#define ZLOAD_PEER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

typedef enum { CLOSED, OPENING, CONNECTED } Stage;

typedef struct {
  int fd;
  int index;
  Stage stage;
  bool is_waiting_to_write;
  uint16_t last_packet_id;
  uint8_t *out; /* what the socket has not taken yet: out[out_from] to out[out_to] */
  size_t out_from, out_to, out_room;
  uint8_t *rest; /* the beginning of a frame whose end has not come */
  size_t rest_bytes, rest_room;
  uint64_t opened_ns;
  uint64_t published; /* messages */
  uint64_t settled;   /* of these acknowledged: PUBACK or PUBCOMP; not counted for QoS 0 */
  uint64_t subacks;
  uint64_t pongs;
} Peer;

/* What a mode is told. `arrived_ns` is taken once for all that one read has brought. */
typedef struct {
  void (*on_message)(Peer *peer, const Message *message, uint64_t arrived_ns);
  void (*on_connected)(Peer *peer); /* may be NULL */
} Listener;

typedef struct {
  const char *host; /* IPv4 */
  int port;
  int version;      /* 4 or 5 */
} Target;

/* Once, before anything else here: also raises the limit of descriptors as far as it goes. */
void loop_begin(const Target *target, const Listener *listener);

/* Handles what is there, waiting at most so long for it: 0 is no wait, resolution 1 ms. */
void loop_once(int wait_ms);

/* Opens a connection and sends CONNECT. `receive_buffer` > 0 sets SO_RCVBUF. */
void peer_open(Peer *peer, int index, const char *name, int receive_buffer);

/* DISCONNECT, then closes. */
void peer_close(Peer *peer);

/* Reads nothing from this connection from now on, and does not notice its end. */
void peer_stop_reading(Peer *peer);

/* Room for so many bytes at the end of what waits; peer_commit says how many were written. */
uint8_t *peer_room(Peer *peer, size_t bytes);
void peer_commit(Peer *peer, size_t bytes);

/* Gives the socket what waits, as far as it takes it. */
void peer_flush(Peer *peer);

/* Bytes that the socket has not taken. */
size_t peer_waiting(const Peer *peer);

void peer_subscribe(Peer *peer, const char *filter, int qos);
void peer_publish(Peer *peer, const Template *template, uint32_t counter, uint64_t stamp_ns);

#endif
