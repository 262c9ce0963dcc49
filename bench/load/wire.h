/* MQTT 3.1.1 and 5.0 as bytes: just what a load needs. Every function writes into room the caller has made. */
#ifndef ZLOAD_WIRE_H
#define ZLOAD_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  CONNACK = 2,
  PUBLISH = 3,
  PUBACK = 4,
  PUBREC = 5,
  PUBREL = 6,
  PUBCOMP = 7,
  SUBACK = 9,
  PINGRESP = 13,
  DISCONNECT = 14,
};

enum {
  TOPIC_BYTES_MAX = 2048,
  STAMP_BYTES = 8,    /* the payload begins with the time of publishing */
  CONTROL_BYTES = 64, /* room for what is neither SUBSCRIBE nor PUBLISH */
  COUNTER_DIGITS = 6, /* where topics vary, their last level ends in so many digits */
};

/* A frame as it lies in a receive buffer. */
typedef struct {
  uint8_t type;
  uint8_t flags;
  const uint8_t *body;
  size_t body_bytes;
  size_t frame_bytes;
} Frame;

/* What a PUBLISH carries besides its topic. */
typedef struct {
  uint8_t qos;
  bool is_retained;
  uint16_t packet_id;
  const uint8_t *payload;
  size_t payload_bytes;
} Message;

/* A PUBLISH encoded once per publisher; packet id, counter and time are put in for each message. */
typedef struct {
  uint8_t *frame;
  size_t frame_bytes;
  size_t id_at;      /* 0: QoS 0, no packet id */
  size_t counter_at; /* 0: always the same topic */
  size_t stamp_at;
} Template;

/* 1 and the frame, 0 when more bytes are needed, -1 when no MQTT frame begins like this. */
int wire_frame(const uint8_t *bytes, size_t count, Frame *frame);

/* Reads the body of a PUBLISH; false when it is malformed. */
bool wire_message(const Frame *frame, int version, Message *message);

size_t wire_connect(uint8_t *out, int version, const char *client_id);
size_t wire_subscribe(uint8_t *out, int version, uint16_t packet_id, const char *filter, int qos);
/* PUBACK, PUBREC, PUBREL or PUBCOMP in its shortest form, which means success in both versions. */
size_t wire_ack(uint8_t *out, int type, uint16_t packet_id);
size_t wire_empty(uint8_t *out, uint8_t first_byte);

/* Encodes a PUBLISH; `has_counter` says that the topic ends in COUNTER_DIGITS digits to be replaced. */
Template wire_template(int version, const char *topic, int qos, bool is_retained, size_t payload_bytes,
                       bool has_counter);

/* Writes one message of the template. */
void wire_publish(uint8_t *out, const Template *template, uint16_t packet_id, uint32_t counter, uint64_t stamp_ns);

#endif
