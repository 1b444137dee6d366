"""The tables of topics and daemons fit each other; all wiring is derived from them."""

from collections import Counter

import pytest

from m2m_rt.app.daemons import (
    DAEMONS,
    EVERYONE,
    SUPERVISOR,
    Daemon,
    daemon_named,
    subscribed_topics,
    subscriptions_of,
    upstream_of,
)
from m2m_rt.errors import ConfigError
from m2m_rt.messages import TOPICS, Delivery, Topic, topic_named

everyone = pytest.mark.parametrize("daemon", EVERYONE, ids=lambda one: one.name)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda one: one.name)
def test_a_topic_has_exactly_one_producer_or_one_in_each_daemon(topic: Topic) -> None:
    producers = [one.name for one in EVERYONE if topic.name in one.says]
    assert len(producers) == (0 if topic.each_daemon else 1)


def test_names_are_said_once() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert len({topic.message for topic in TOPICS}) == len(TOPICS)
    assert len({daemon.name for daemon in EVERYONE}) == len(EVERYONE)


@everyone
def test_everything_that_is_heard_or_said_is_a_topic(daemon: Daemon) -> None:
    for name in (*(topic for topic, _ in daemon.hears), *daemon.says):
        assert topic_named(name).name == name


@everyone
def test_every_subscription_is_to_a_topic_that_its_producer_says(
    daemon: Daemon,
) -> None:
    for one in subscriptions_of(daemon.name):
        own = topic_named(one.topic).each_daemon
        assert own or one.topic in daemon_named(one.producer).says
        assert one.producer != daemon.name


@everyone
def test_a_daemon_gets_all_that_its_node_hears(daemon: Daemon) -> None:
    topics = {one.topic for one in subscriptions_of(daemon.name)}
    assert {topic for topic, _ in daemon.hears} <= topics
    assert daemon is SUPERVISOR or "session" in topics


@everyone
def test_nobody_subscribes_twice(daemon: Daemon) -> None:
    found = subscriptions_of(daemon.name)
    assert len({(one.topic, one.producer) for one in found}) == len(found)


def test_the_recorder_hears_all_that_anybody_says_as_a_stream() -> None:
    found = {(one.topic, one.producer) for one in subscriptions_of("recordd")}
    own = {topic.name for topic in TOPICS if topic.each_daemon}
    said = {(topic, one.name) for one in EVERYONE for topic in one.says}
    others = [one.name for one in DAEMONS if one.name != "recordd"]
    assert said | {(topic, name) for topic in own for name in others} <= found
    deliveries = {one.delivery for one in subscriptions_of("recordd")}
    assert deliveries == {Delivery.STREAM}


@everyone
def test_a_publisher_waits_for_exactly_those_who_listen(daemon: Daemon) -> None:
    listeners = Counter(
        one.topic
        for other in EVERYONE
        for one in subscriptions_of(other.name)
        if one.producer == daemon.name
    )
    assert Counter(subscribed_topics(daemon.name)) == listeners


@everyone
def test_no_one_waits_in_a_circle_to_stop(daemon: Daemon) -> None:
    names = [one.name for one in (*DAEMONS, SUPERVISOR)]
    for before in upstream_of(daemon.name):
        assert names.index(before) < names.index(daemon.name)


@everyone
def test_who_waits_for_another_to_stop_hears_its_last_word(daemon: Daemon) -> None:
    health = {
        one.producer for one in subscriptions_of(daemon.name) if one.topic == "health"
    }
    assert set(upstream_of(daemon.name)) <= health


def test_the_supervisor_hears_the_health_of_every_daemon() -> None:
    health = {
        one.producer
        for one in subscriptions_of(SUPERVISOR.name)
        if one.topic == "health"
    }
    assert health == {daemon.name for daemon in DAEMONS}


def test_who_decides_takes_only_poses_newest_first() -> None:
    newest = {
        topic
        for daemon in DAEMONS
        for topic, delivery in daemon.hears
        if daemon.has_journal and delivery is Delivery.LATEST
    }
    assert newest == {"coil_pose"}


def test_an_unknown_daemon_is_named() -> None:
    with pytest.raises(ConfigError, match="nobodyd"):
        daemon_named("nobodyd")
