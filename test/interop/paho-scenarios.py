"""Debian's paho-mqtt against a broker: every QoS pair, retained, will, resume, take-over, large payload.

Usage: paho-scenarios.py PORT VERSION(3|4|5). Prints one line per scenario, "ok NAME" or "FAILED NAME: why".
"""
import queue
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
VERSION = int(sys.argv[2])
WAIT_SECONDS = 20


class Station:
    """One client whose events can be waited for."""

    def __init__(self, client_id, clean=True, will=None, expiry=0):
        kind = {} if VERSION == 5 else {"clean_session": clean}
        self.client = mqtt.Client(client_id=client_id, protocol=VERSION, **kind)
        self.inbox = queue.Queue()
        self.connected = queue.Queue()
        self.subscribed = queue.Queue()
        self.gone = threading.Event()
        self.client.on_message = lambda client, data, message: self.inbox.put(message)
        self.client.on_connect = lambda client, data, flags, code, *rest: self.connected.put((flags, code))
        self.client.on_subscribe = lambda client, data, mid, codes, *rest: self.subscribed.put(codes)
        self.client.on_disconnect = lambda client, data, code, *rest: self.gone.set()
        if will is not None:
            self.client.will_set(*will)
        if VERSION == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            self.client.connect("127.0.0.1", PORT, clean_start=clean, properties=properties)
        else:
            self.client.connect("127.0.0.1", PORT)
        self.client.loop_start()
        self.flags, self.code = self.connected.get(timeout=WAIT_SECONDS)

    def subscribe(self, topic, qos):
        self.client.subscribe(topic, qos)
        return self.subscribed.get(timeout=WAIT_SECONDS)

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(topic, payload, qos, retain).wait_for_publish()

    def next(self):
        return self.inbox.get(timeout=WAIT_SECONDS)

    def leave(self):
        self.client.disconnect()
        self.gone.wait(WAIT_SECONDS)
        self.client.loop_stop()

    def cut(self):
        """Ends the connection as a lost link would."""
        self.client.loop_stop()
        self.client.socket().close()


def every_qos():
    sub, pub = Station("sub"), Station("pub")
    for sub_qos in (0, 1, 2):
        sub.subscribe(f"q/{sub_qos}", sub_qos)
    for pub_qos in (0, 1, 2):
        for sub_qos in (0, 1, 2):
            pub.publish(f"q/{sub_qos}", str(pub_qos), pub_qos)
            message = sub.next()
            assert message.qos == min(pub_qos, sub_qos), (pub_qos, sub_qos, message.qos)
            assert message.payload == str(pub_qos).encode()
    sub.leave()
    pub.leave()


def retained():
    pub = Station("pub")
    pub.publish("keep", "kept", 1, retain=True)
    sub = Station("sub")
    sub.subscribe("keep", 1)
    message = sub.next()
    assert message.retain and message.payload == b"kept"
    pub.publish("keep", "", 1, retain=True)
    assert sub.next().payload == b""
    pub.leave()
    sub.leave()


def will():
    watcher = Station("watcher")
    watcher.subscribe("last/#", 1)
    victim = Station("victim", will=("last/words", "gone", 1, False))
    victim.cut()
    message = watcher.next()
    assert (message.topic, message.payload) == ("last/words", b"gone")
    watcher.leave()


def resume():
    first = Station("logger", clean=False, expiry=60)
    first.subscribe("log/#", 2)
    first.leave()
    pub = Station("pub")
    for index in range(40):
        pub.publish("log/x", str(index), 2)
    pub.leave()
    second = Station("logger", clean=False, expiry=60)
    if VERSION != 3:
        present = second.flags["session present"]
        assert present == 1, present
    got = [int(second.next().payload) for _ in range(40)]
    assert got == list(range(40)), got
    second.leave()


def take_over():
    first = Station("same")
    first.client._reconnect_on_failure = False
    second = Station("same")
    assert first.gone.wait(WAIT_SECONDS), "the first client was not ended"
    second.leave()


def large():
    sub, pub = Station("sub"), Station("pub")
    sub.subscribe("big", 2)
    payload = bytes(index % 251 for index in range(1_000_000))
    pub.publish("big", payload, 2)
    assert sub.next().payload == payload
    sub.leave()
    pub.leave()


failed = False
for scenario in (every_qos, retained, will, resume, take_over, large):
    try:
        scenario()
        print(f"ok {scenario.__name__}")
    except Exception as error:
        failed = True
        print(f"FAILED {scenario.__name__}: {type(error).__name__} {error}")
sys.stdout.flush()
sys.exit(1 if failed else 0)
