#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include "gauge.h"

static size_t put_length(uint8_t *out, size_t value) {
  size_t at = 0;
  do {
    uint8_t digit = value & 0x7f;
    value >>= 7;
    out[at++] = value > 0 ? digit | 0x80 : digit;
  } while (value > 0);
  return at;
}

static size_t put_u16(uint8_t *out, unsigned value) {
  out[0] = (uint8_t)(value >> 8);
  out[1] = (uint8_t)value;
  return 2;
}

static size_t put_text(uint8_t *out, const char *text, size_t bytes) {
  put_u16(out, (unsigned)bytes);
  memcpy(out + 2, text, bytes);
  return 2 + bytes;
}

/* Reads a variable byte integer; its own length, 0 when more bytes are needed, -1 when it is too long. */
static int read_length(const uint8_t *bytes, size_t count, size_t *value) {
  size_t sum = 0;
  for (size_t at = 0; at < 4; at++) {
    if (at >= count) return 0;
    sum |= (size_t)(bytes[at] & 0x7f) << (7 * at);
    if (bytes[at] < 0x80) {
      *value = sum;
      return (int)at + 1;
    }
  }
  return -1;
}

int wire_frame(const uint8_t *bytes, size_t count, Frame *frame) {
  size_t body_bytes;
  if (count < 2) return 0;
  int digits = read_length(bytes + 1, count - 1, &body_bytes);
  if (digits <= 0) return digits;
  size_t head = 1 + (size_t)digits;
  if (count - head < body_bytes) return 0;
  *frame = (Frame){bytes[0] >> 4, bytes[0] & 15, bytes + head, body_bytes, head + body_bytes};
  return 1;
}

bool wire_message(const Frame *frame, int version, Message *message) {
  const uint8_t *body = frame->body;
  size_t count = frame->body_bytes;
  if (count < 2) return false;
  size_t at = 2 + ((size_t)body[0] << 8 | body[1]);
  message->qos = (frame->flags >> 1) & 3;
  message->is_retained = (frame->flags & 1) != 0;
  message->packet_id = 0;
  if (message->qos > 0) {
    if (at + 2 > count) return false;
    message->packet_id = (uint16_t)(body[at] << 8 | body[at + 1]);
    at += 2;
  }
  if (version == 5) {
    size_t property_bytes;
    if (at >= count) return false;
    int digits = read_length(body + at, count - at, &property_bytes);
    if (digits <= 0) return false;
    at += (size_t)digits + property_bytes;
  }
  if (at > count) return false;
  message->payload = body + at;
  message->payload_bytes = count - at;
  return true;
}

size_t wire_connect(uint8_t *out, int version, const char *client_id) {
  size_t id_bytes = strlen(client_id), at = 0;
  size_t property_bytes = version == 5 ? 1 : 0;
  out[at++] = 0x10;
  at += put_length(out + at, 6 + 1 + 1 + 2 + property_bytes + 2 + id_bytes);
  at += put_text(out + at, "MQTT", 4);
  out[at++] = (uint8_t)version;
  out[at++] = 0x02; /* a clean session (3.1.1), a clean start (5.0) */
  at += put_u16(out + at, 0);
  if (version == 5) out[at++] = 0;
  return at + put_text(out + at, client_id, id_bytes);
}

size_t wire_subscribe(uint8_t *out, int version, uint16_t packet_id, const char *filter, int qos) {
  size_t filter_bytes = strlen(filter), at = 0;
  out[at++] = 0x82;
  at += put_length(out + at, 2 + (version == 5 ? 1 : 0) + 2 + filter_bytes + 1);
  at += put_u16(out + at, packet_id);
  if (version == 5) out[at++] = 0;
  at += put_text(out + at, filter, filter_bytes);
  out[at++] = (uint8_t)qos;
  return at;
}

size_t wire_ack(uint8_t *out, int type, uint16_t packet_id) {
  out[0] = (uint8_t)(type << 4 | (type == PUBREL ? 2 : 0));
  out[1] = 2;
  put_u16(out + 2, packet_id);
  return 4;
}

size_t wire_empty(uint8_t *out, uint8_t first_byte) {
  out[0] = first_byte;
  out[1] = 0;
  return 2;
}

Template wire_template(int version, const char *topic, int qos, bool is_retained, size_t payload_bytes,
                       bool has_counter) {
  Template template = {0};
  size_t topic_bytes = strlen(topic), at = 0;
  size_t body_bytes = 2 + topic_bytes + (qos > 0 ? 2 : 0) + (version == 5 ? 1 : 0) + payload_bytes;
  uint8_t *frame = malloc(body_bytes + 5);
  if (frame == NULL) fail("out of memory");
  frame[at++] = (uint8_t)(0x30 | qos << 1 | (is_retained ? 1 : 0));
  at += put_length(frame + at, body_bytes);
  at += put_text(frame + at, topic, topic_bytes);
  if (has_counter) template.counter_at = at - COUNTER_DIGITS;
  if (qos > 0) {
    template.id_at = at;
    at += 2;
  }
  if (version == 5) frame[at++] = 0;
  template.stamp_at = at;
  memset(frame + at, 'z', payload_bytes);
  template.frame = frame;
  template.frame_bytes = at + payload_bytes;
  return template;
}

void wire_publish(uint8_t *out, const Template *template, uint16_t packet_id, uint32_t counter, uint64_t stamp_ns) {
  memcpy(out, template->frame, template->frame_bytes);
  if (template->id_at > 0) put_u16(out + template->id_at, packet_id);
  if (template->counter_at > 0) {
    for (int digit = COUNTER_DIGITS - 1; digit >= 0; digit--) {
      out[template->counter_at + (size_t)digit] = (uint8_t)('0' + counter % 10);
      counter /= 10;
    }
  }
  memcpy(out + template->stamp_at, &stamp_ns, STAMP_BYTES);
}
