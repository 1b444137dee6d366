import json
import pickle
import zlib
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.coil_file import read_coil
from m2m_rt.errors import ConfigError, DataError
from tests.support.coils import (
    HEADERS,
    element,
    loop,
    packed,
    some_dipoles,
    tcd_of,
    write_ccd,
    write_tcd,
)

PLACES, MOMENTS = some_dipoles()
MIDDLES, VECTORS = loop(40.0, -6.0)


@pytest.mark.parametrize("header", HEADERS.values())
def test_ccd_gives_its_dipoles_in_millimetres(header: str, tmp_path: Path) -> None:
    coil = read_coil(write_ccd(tmp_path / "t.ccd", PLACES, MOMENTS, header))
    np.testing.assert_allclose(coil.dipole_mm, PLACES, rtol=1e-15)
    assert np.array_equal(coil.dipole_am2, MOMENTS)


def test_ccd_header_gives_names_and_limits_in_a_per_us(tmp_path: Path) -> None:
    coil = read_coil(write_ccd(tmp_path / "t.ccd", PLACES, MOMENTS, HEADERS["full"]))
    assert (coil.name, coil.brand, coil.stimulator) == (
        "T70",
        "Some Maker",
        "Some Rapid",
    )
    assert (coil.didt_max_a_per_us, coil.didt_display_a_per_us) == (114.73, 120.0)


def test_ccd_without_header_fields_is_named_for_its_file(tmp_path: Path) -> None:
    path = write_ccd(tmp_path / "Fig8.ccd", PLACES, MOMENTS, HEADERS["plain"])
    coil = read_coil(path)
    assert (coil.name, coil.didt_max_a_per_us) == ("Fig8", None)


GOOD_LINES = ["# x", "1", "# c", "0 0 -0.005 0 0 1e-4"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "line 1: expected a header"),
        (["0 0 0 0 0 1"], "line 1: expected a header"),
        (["# x"], "expected a number of dipoles"),
        (["# x", "-1"], "line 2: found '-1'"),
        (["# x", "99999999999999"], "line 2: found"),
        (["# x", "1e3"], "line 2: found '1e3'"),
        (["# x", "9000000"], "found 9000000 dipoles"),
        ([*GOOD_LINES, GOOD_LINES[3]], "found more than 1 dipoles"),
        (GOOD_LINES[:3], "found 0 dipoles, expected 1"),
        ([*GOOD_LINES[:3], "0 0 0 0 1"], "line 4: found 5 numbers"),
        ([*GOOD_LINES[:3], "0 0 x 0 0 1"], "line 4: found 'x'"),
        ([*GOOD_LINES[:3], "0 0 nan 0 0 1"], "line 4: found 'nan'"),
        ([*GOOD_LINES[:3], "0 0 1e999 0 0 1"], "line 4: found '1e999'"),
        ([*GOOD_LINES[:3], "0 0 -5.0 0 0 1e-4"], "a wrong unit"),
        ([*GOOD_LINES[:3], "0 0 -0.005 0 0 100"], "a wrong unit"),
        ([*GOOD_LINES[:3], "0 0 -0.005 0 0 0"], "all are zero"),
        (["# x; dIdtmax", *GOOD_LINES[1:]], "expected key=value"),
        (["# x; dIdtmax=fast", *GOOD_LINES[1:]], "dIdtmax: found 'fast'"),
        (["# x; dIdtmax=147,100", *GOOD_LINES[1:]], "several stimulators"),
        (["# x; dIdtmax=-3", *GOOD_LINES[1:]], "found -3 A/µs"),
    ],
)
def test_wrong_ccd_is_refused_saying_where(
    lines: list[str], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.ccd"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=said) as err:
        read_coil(path)
    assert str(path) in str(err.value)


@pytest.mark.parametrize("form", ["list", "plain", "deflated"])
def test_tcd_dipoles_are_read_from_every_form(form: str, tmp_path: Path) -> None:
    content = tcd_of(element(1, PLACES, MOMENTS, form))
    coil = read_coil(write_tcd(tmp_path / "t.tcd", content))
    assert np.array_equal(coil.dipole_mm, PLACES)
    assert np.array_equal(coil.dipole_am2, MOMENTS)
    assert coil.didt_max_a_per_us == 147.0
    assert coil.stimulator == "Some Rapid"


@pytest.mark.parametrize("form", ["list", "plain", "deflated"])
def test_tcd_conductors_are_read_from_every_form(form: str, tmp_path: Path) -> None:
    content = tcd_of(element(2, MIDDLES, VECTORS, form))
    coil = read_coil(write_tcd(tmp_path / "t.tcd", content))
    assert np.array_equal(coil.segment_mm, MIDDLES)
    assert np.array_equal(coil.segment_vector_mm, VECTORS)


def sampled(**changes: object) -> dict[str, object]:
    potential = np.arange(72.0).reshape(4, 3, 2, 3) / 1000.0
    affine = np.diag((2.0, 2.0, 2.0, 1.0)).tolist()
    given = {"data": potential.tolist(), "affine": affine}
    return {"type": 3, "stimulator": 0, **given, **changes}


def test_tcd_sampled_potential_is_read_from_lists(tmp_path: Path) -> None:
    coil = read_coil(write_tcd(tmp_path / "t.tcd", tcd_of(sampled())))
    assert coil.sampled[0].a_tm_per_a.shape == (4, 3, 2, 3)
    assert coil.sampled[0].a_tm_per_a[3, 2, 1, 2] == 0.071
    assert coil.sampled[0].coil_from_voxel[1, 1] == 2.0


class Payload:
    """Would make a folder if it were ever unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, (self.folder,)


def test_pickled_potential_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    pickled = b64encode(zlib.compress(pickle.dumps(Payload(mark)))).decode()
    for text in (pickled, b64encode(pickle.dumps(Payload(mark))).decode()):
        path = write_tcd(tmp_path / "t.tcd", tcd_of(sampled(data=text)))
        with pytest.raises(DataError, match="pickle"):
            read_coil(path)
    for field in ("points", "values"):
        wing = element(1, PLACES, MOMENTS, "list") | {field: pickled}
        with pytest.raises(DataError):
            read_coil(write_tcd(tmp_path / "t.tcd", tcd_of(wing)))
    assert not mark.exists()


def test_text_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = b64encode(zlib.compress(bytes(200 * 1024**2), 9)).decode()
    wing = element(1, PLACES, MOMENTS, "list") | {"points": bomb}
    with pytest.raises(DataError, match="unpacks to more than"):
        read_coil(write_tcd(tmp_path / "t.tcd", tcd_of(wing)))


def test_many_texts_that_unpack_to_too_much_together_are_refused(
    tmp_path: Path,
) -> None:
    zeros = packed(np.zeros((900_000, 3)), "deflated")
    wing = element(1, PLACES, MOMENTS, "list") | {"points": zeros, "values": zeros}
    with pytest.raises(DataError, match="points in the file"):
        read_coil(write_tcd(tmp_path / "t.tcd", tcd_of(*[wing] * 40)))


WING = element(1, PLACES, MOMENTS, "list")
STILL = {"type": "x", "initial": 5.0, "range": [5.0, 5.0]}
AXIS = {"point1": [0.0, 0.0, 0.0], "point2": [0.0, 0.0, 2.0]}
QUARTER = {"type": "rot2p", "deformRange": 0, **AXIS}
AT_90 = [{"initial": 90.0, "range": [90.0, 90.0]}]


def test_parts_that_stand_still_are_put_in_place(tmp_path: Path) -> None:
    content = tcd_of(
        WING | {"deformations": [0, 1]},
        deformList=[STILL, QUARTER],
        deformRangeList=AT_90,
    )
    coil = read_coil(write_tcd(tmp_path / "t.tcd", content))
    moved = PLACES + np.array((5.0, 0.0, 0.0))
    turned = np.column_stack((-moved[:, 1], moved[:, 0], moved[:, 2]))
    np.testing.assert_allclose(coil.dipole_mm, turned, atol=1e-12)
    np.testing.assert_allclose(coil.dipole_am2, MOMENTS, atol=1e-18)


def test_casings_are_kept_moved_with_their_parts(tmp_path: Path) -> None:
    corners = [[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 10.0, 0.0]]
    model = {"points": corners, "faces": [[0, 1, 2]], "minDistancePoints": corners}
    content = tcd_of(
        WING | {"deformations": [0], "elementCasing": 0},
        deformList=[STILL],
        coilModels=[model],
        coilCasing=0,
    )
    coil = read_coil(write_tcd(tmp_path / "t.tcd", content))
    assert coil.casing_mm[:, 0].tolist() == [0.0, 10.0, 0.0, 5.0, 15.0, 5.0]


MOVING = STILL | {"range": [-5.0, 5.0]}
RAGGED = [[[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tcd_of(), "coilElementList"),
        (tcd_of(WING) | {"extra": 1}, "extra"),
        (
            tcd_of(WING | {"type": 4}),
            r"coilElementList\[0\].type|coilElementList\[...\]",
        ),
        (tcd_of(WING | {"type": 2}), "does not close"),
        (tcd_of(WING | {"points": [[1.0, 2.0]]}), "points"),
        (tcd_of(WING | {"points": "*not base64*"}), "no base64"),
        (tcd_of(WING | {"points": "AAAA"}), "expected float64"),
        (tcd_of(WING | {"points": PLACES[1:].tolist()}), "39 points and 40 values"),
        (tcd_of(WING | {"values": None}), "both points and values"),
        (tcd_of(WING | {"data": [[[[1.0, 2.0, 3.0]]]]}), "data or affine"),
        (tcd_of(WING | {"stimulator": 3}), "index 3 of 1"),
        (tcd_of(WING, WING | {"stimulator": 1}), "2 stimulators"),
        (tcd_of(WING | {"elementCasing": 0}), "coilModels: index 0 of 0"),
        (tcd_of(WING | {"deformations": [0]}), "not in deformList"),
        (tcd_of(WING | {"deformations": [0]}, deformList=[MOVING]), "can move"),
        (tcd_of(WING | {"deformations": [0]}, deformList=[QUARTER]), "no range"),
        (tcd_of(sampled(affine=None)), "both data and affine"),
        (tcd_of(sampled(affine=np.zeros((4, 4)).tolist())), "affine"),
        (tcd_of(sampled(data=RAGGED)), "different lengths"),
        (tcd_of(sampled(data=[[[[1.0, 2.0, 3.0]]]])), "found shape"),
        (tcd_of(sampled(data=np.full((2, 2, 2, 3), 1e308).tolist())), "T·m per A"),
        (tcd_of(WING | {"values": [[0.0, 0.0, 1e300]] * 40}), "beyond"),
        (tcd_of(WING, stimulatorList=[{"maxdIdt": -1.0}]), "maxdIdt"),
        (tcd_of(WING, stimulatorList=[{"maxdIdt": 1e14}]), "A/µs"),
    ],
)
def test_wrong_tcd_is_refused_saying_where(
    content: dict[str, object], said: str, tmp_path: Path
) -> None:
    path = write_tcd(tmp_path / "wrong.tcd", content)
    with pytest.raises(DataError, match=said) as err:
        read_coil(path)
    assert str(path) in str(err.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", "[" * 100_000, '{"a": NaN}', "\x00\xff"]
)
def test_what_is_no_tcd_at_all_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.tcd"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot be read as a \.tcd coil"):
        read_coil(path)


def test_number_too_large_for_float_is_refused(tmp_path: Path) -> None:
    text = json.dumps(tcd_of(WING)).replace("147000000.0", "1e999")
    path = tmp_path / "wrong.tcd"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_coil(path)


def test_file_of_another_kind_or_none_is_a_wrong_set_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected .ccd or .tcd"):
        read_coil(tmp_path / "coil.nii")
    with pytest.raises(ConfigError, match="no file"):
        read_coil(tmp_path / "coil.ccd")
