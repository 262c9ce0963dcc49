/** Protocol level as it stands in CONNECT: 3 = MQTT 3.1, 4 = MQTT 3.1.1, 5 = MQTT 5.0. */
export type ProtocolVersion = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

export function lowerQos(one: Qos, two: Qos): Qos {
  if (one < two) return one;
  return two;
}

export function higherQos(one: Qos, two: Qos): Qos {
  if (one > two) return one;
  return two;
}
