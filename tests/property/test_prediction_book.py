"""Which prediction counts for a pulse, against the rule written down once more."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.messages import Array, Prediction, StimulatorState, Trace
from m2m_rt.nodes.prediction_book import PredictionBook
from m2m_rt.units import RigNs, duration_ns

MS = 10**6
MAX_AGE_NS = duration_ns(ms=100.0)
POSE = Array(dtype="<f8", shape=(0,), data=b"")
LEVELS = (50.0, 60.0)


@dataclass(frozen=True)
class Made:
    pose_ms: int
    publish_ms: int | None
    level: float
    valid: bool


@dataclass(frozen=True)
class Set:
    at_ms: int
    level: float | None


def prediction(made: Made) -> Prediction:
    return Prediction(
        t_ns=RigNs(made.pose_ms * MS),
        pose_seq=0,
        head_from_coil=POSE,
        intensity_pct_mso=made.level,
        mean_log10_uv=(),
        sd_log10_uv=(),
        p05_log10_uv=(),
        p95_log10_uv=(),
        prior_log10_uv=(),
        model_hash="",
        table_hash="",
        posterior_seq=0,
        valid=made.valid,
    )


def trace(topic: str, about_seq: int, publish_ms: int) -> Trace:
    return Trace(
        t_ns=RigNs(0),
        topic=topic,
        about_seq=about_seq,
        received_ns=0,
        publish_ns=publish_ms * MS,
    )


def book_of(made: list[Made], states: list[Set]) -> PredictionBook:
    book = PredictionBook(n_kept=64, max_pose_age_ns=MAX_AGE_NS)
    for one in states:
        book.set_intensity(
            StimulatorState(
                t_ns=RigNs(one.at_ms * MS),
                intensity_pct_mso=one.level,
                valid=one.level is not None,
            )
        )
    for seq, each in enumerate(made):
        book.made(prediction(each))
        book.published(trace("echo", seq, -1000))  # another topic's says nothing
        if each.publish_ms is not None:
            book.published(trace("prediction", seq, each.publish_ms))
    return book


def rule(made: list[Made], states: list[Set], edge_ms: int) -> int | None:
    """Return the place of the newest one that counts."""
    level = None
    for state in states:
        if state.at_ms <= edge_ms:
            level = state.level
    counting = [
        seq
        for seq, one in enumerate(made)
        if one.valid
        and one.publish_ms is not None
        and one.publish_ms < edge_ms
        and abs(edge_ms - one.pose_ms) <= 100
        and one.level == level
    ]
    return max(counting, default=None)


@st.composite
def made_in_order(draw: st.DrawFn) -> list[Made]:
    made, pose_ms = [], 0
    for _ in range(draw(st.integers(0, 20))):
        pose_ms += draw(st.integers(1, 60))
        delay_ms = draw(st.none() | st.integers(0, 50))
        made.append(
            Made(
                pose_ms,
                None if delay_ms is None else pose_ms + delay_ms,
                draw(st.sampled_from(LEVELS)),
                draw(st.booleans()),
            )
        )
    return made


states_in_order = st.lists(
    st.tuples(st.integers(-10, 800), st.sampled_from([*LEVELS, None])), max_size=16
).map(lambda pairs: [Set(*one) for one in sorted(pairs, key=lambda pair: pair[0])])


@given(made=made_in_order(), states=states_in_order, edge_ms=st.integers(0, 900))
def test_the_book_gives_what_the_rule_gives(
    made: list[Made], states: list[Set], edge_ms: int
) -> None:
    found = book_of(made, states).before(RigNs(edge_ms * MS))
    assert (None if found is None else found.prediction_seq) == rule(
        made, states, edge_ms
    )


@given(made=made_in_order(), states=states_in_order, now_ms=st.integers(0, 5000))
def test_the_intensity_is_the_last_one_if_it_is_young_and_known(
    made: list[Made], states: list[Set], now_ms: int
) -> None:
    found = book_of(made, states).intensity_now(
        RigNs(now_ms * MS), duration_ns(ms=3000.0)
    )
    last = states[-1] if states else Set(0, None)
    assert found == (last.level if abs(now_ms - last.at_ms) <= 3000 else None)


def test_old_predictions_are_dropped() -> None:
    made = [Made(ms, ms + 1, 50.0, True) for ms in range(1000)]
    book = book_of(made, [Set(0, 50.0)])
    assert len(book._made) == 64
    found = book.before(RigNs(1000 * MS))
    assert found is not None
    assert found.prediction_seq == 998
