import numpy as np

from m2m_rt.emg import EpochCutter, FilteredRows


def test_memory_stays_that_of_one_epoch_and_one_chunk() -> None:
    cutter = EpochCutter(before_rows=500, after_rows=300, n_muscles=3)
    rows_uv = np.zeros((100, 3))
    n_epochs = 0
    for chunk in range(500):
        first_row = 100 * chunk
        edges = [first_row + 50] if chunk % 10 == 0 else []
        epochs = cutter.push(FilteredRows(first_row, rows_uv, rows_uv), edges, edges)
        n_epochs += len(epochs)
        assert len(cutter._raw_uv) <= 500 + 300 + 200
        assert len(cutter._edges) + len(cutter._gap_rows) <= 4
    assert n_epochs == 50


def test_an_edge_ahead_of_the_delayed_rows_waits_for_them() -> None:
    cutter = EpochCutter(before_rows=5, after_rows=5, n_muscles=1)
    rows_uv = np.arange(10.0)[:, np.newaxis]
    assert cutter.push(FilteredRows(0, rows_uv, rows_uv), [14], []) == []
    (epoch,) = cutter.push(FilteredRows(10, rows_uv + 10, rows_uv + 10), [], [])
    np.testing.assert_array_equal(epoch.raw_uv[:, 0], np.arange(9.0, 20.0))


def test_an_epoch_knows_where_rows_were_lost() -> None:
    cutter = EpochCutter(before_rows=5, after_rows=5, n_muscles=1)
    rows_uv = np.zeros((30, 1))
    gaps = [4, 5, 6, 15, 16]  # the epoch is rows 5 to 15
    (epoch,) = cutter.push(FilteredRows(0, rows_uv, rows_uv), [10], gaps)
    assert epoch.gap_at == (1, 10)
