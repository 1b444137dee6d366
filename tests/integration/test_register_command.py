"""`m2m register` on files of points."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from m2m_rt.app.cli import main
from m2m_rt.app.config import read_rig
from m2m_rt.app.config_path import config_path
from m2m_rt.errors import ConfigError
from m2m_rt.geometry import (
    inverse,
    matrix_from_quaternion,
    matrix_rows,
    transform_points,
)

HEAD_MM = {
    "nasion": (2.0, 95.0, 0.0),
    "lpa": (-74.0, 12.0, -26.0),
    "rpa": (77.0, 8.0, -24.0),
    "vertex": (0.0, 3.0, 112.0),
    "inion": (-3.0, -96.0, -8.0),
}
HEAD_FROM_NAVIGATOR = matrix_from_quaternion(
    np.array((120.0, -300.0, 40.0)), np.array((0.3, -0.5, 0.7, 0.2))
)
HEADER = (
    "name,navigator_x_mm,navigator_y_mm,navigator_z_mm,head_x_mm,head_y_mm,head_z_mm"
)


def navigator_mm(noise_mm: float) -> np.ndarray:
    exact = transform_points(
        inverse(HEAD_FROM_NAVIGATOR), np.array([*HEAD_MM.values()])
    )
    return exact + np.random.default_rng(1).normal(scale=noise_mm, size=exact.shape)


def write_csv(path: Path, places: np.ndarray, *more: str, header: str = HEADER) -> Path:
    lines = [
        ",".join(map(str, (name, *place, *head)))
        for (name, head), place in zip(HEAD_MM.items(), places, strict=True)
    ]
    path.write_text("\n".join((header, *lines, *more)) + "\n")
    return path


@pytest.mark.parametrize("name", ["none/out.png", "out.foo"])
def test_a_picture_that_cannot_be_written_is_one_line_after_the_answer(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0))
    assert main(["register", str(csv), "--picture", str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    assert "[pose.registration]" in said.out
    assert said.err.startswith(f"m2m: picture {tmp_path / name}: found ")


def test_points_are_registered_drawn_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0), "M1,,,,-40,-20,75")
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    asked = ["register", str(csv), "--json", str(out), "--picture", str(picture)]
    assert main(asked) == 0
    figures = json.loads(out.read_text())
    assert figures["accepted"]
    assert figures["noise_95_mm"][0] < 1.0 < figures["noise_95_mm"][1]
    target = figures["target_error_mm"]["M1"]
    assert target["low"] < target["rms"] < target["high"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    section = tomllib.loads(capsys.readouterr().out)["pose"]["registration"]
    found = np.array(section["head_from_navigator"])
    np.testing.assert_allclose(found, HEAD_FROM_NAVIGATOR, atol=8.0)  # at the origin
    np.testing.assert_allclose(found, figures["head_from_navigator"], atol=1e-8)


def rig_with(section: str, path: Path) -> Path:
    """Write the demo's rig file with what `m2m register` printed at its end."""
    path.write_text(config_path("rig.demo.toml").read_text("utf-8") + section)
    return path


@pytest.mark.parametrize("frame", ["navigator", "mri", "tracker"])
def test_a_rig_file_takes_what_is_printed_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], frame: str
) -> None:
    header = HEADER.replace("navigator", frame)
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0), header=header)
    asked = ["register", str(csv), "--convention", "localite-lps", "--unit", "m"]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    registration = read_rig(rig_with(printed, tmp_path / "rig.toml")).pose.registration
    assert registration.declared == {
        "frame": frame,
        "unit": "m",
        "convention": "localite-lps",
    }
    assert f"frame {frame}, convention localite-lps, unit m" in printed.replace(
        "\n# ", " "
    )
    assert registration.points == tuple(HEAD_MM)
    assert max(registration.residual_mm) < 5.0
    section = tomllib.loads(printed)["pose"]["registration"]
    assert matrix_rows(registration.space.head_from_frame) == tuple(
        map(tuple, section[f"head_from_{frame}"])
    )


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("head_from_navigator", "head_from_robot", "unknown field `head_from_robot`"),
        ('"simnibs"', '"sinmibs"', "Invalid enum value 'sinmibs'"),
        ('unit = "mm"', 'unit = "cm"', "Invalid enum value 'cm'"),
        ("    [0.0, 0.0, 0.0, 1.0]", "    [0.0, 0.0, 1.0, 1.0]", "last row is not"),
        ("    [0.0, 0.0, 0.0, 1.0],\n", "", "Expected `array` of length 4"),
    ],
)
def test_a_registration_that_was_changed_is_refused_with_its_place(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    was: str,
    becomes: str,
    said: str,
) -> None:
    main(["register", str(write_csv(tmp_path / "points.csv", navigator_mm(1.0)))])
    printed = capsys.readouterr().out
    assert was in printed
    rig = rig_with(printed.replace(was, becomes), tmp_path / "rig.toml")
    with pytest.raises(ConfigError, match=f"rig.toml: pose.registration.*{said}"):
        read_rig(rig)


@pytest.mark.parametrize("option", ["--convention", "--unit"])
def test_words_that_no_stream_may_declare_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0))
    assert main(["register", str(csv), option, "furlong"]) == 2
    assert f"{option}: found 'furlong', expected one of" in capsys.readouterr().err


def test_toml_says_the_same_as_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = navigator_mm(1.0)
    main(["register", str(write_csv(tmp_path / "points.csv", places))])
    from_csv = capsys.readouterr().out
    points = "".join(
        f"[[point]]\nname = '{name}'\nnavigator = {place.tolist()}\nhead = {[*head]}\n"
        for (name, head), place in zip(HEAD_MM.items(), places, strict=True)
    )
    toml = tmp_path / "points.toml"
    toml.write_text(f"unit = 'mm'\n{points}")
    assert main(["register", str(toml)]) == 0
    assert capsys.readouterr().out == from_csv


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b[[0, 1, 3, 2, 4]], "rpa and vertex are swapped"),
        (lambda b: b * (1, 1, -1), "mirrored"),
        (lambda b: b / 1000, "metres"),
        (lambda b: b / 1.3, "1.3"),
        (lambda b: b * np.nan, "no number below"),
    ],
)
def test_wrong_points_are_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object, said: str
) -> None:
    csv = write_csv(tmp_path / "points.csv", change(navigator_mm(1.0)))
    out = tmp_path / "out.json"
    assert main(["register", str(csv), "--json", str(out)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert not json.loads(out.read_text())["accepted"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER.replace("_mm", "_m"), "expected name, navigator_x_mm"),
        (HEADER.replace("navigator", "robot"), "frames beside the head's: none"),
        (HEADER.replace("name,", ""), "expected name"),
        ("", "frames beside the head's: none"),
    ],
)
def test_file_without_known_frames_and_units_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, said: str
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0), header=header)
    assert main(["register", str(csv)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nose,1,2,three,4,5,6", "line 7"),
        ("nose,1,2", "line 7"),
        ("nose,1,2,3,,,", "no place in the head"),
        ("nose,1,2,,4,5,6", "line 7"),
        (" ,1,2,3,4,5,6", "no name"),
    ],
)
def test_broken_row_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, said: str
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0), row)
    assert main(["register", str(csv)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unit = 'm'\n", "unit is 'm'"),
        ("unit = 'mm'\npoint = 3\n", "expected unit and [[point]]"),
        ("unit = 'mm'\npoint = [1, 2]\n", "expected unit and [[point]]"),
        ("unit = 'mm'\n[[point]]\nname = 'a'\nmri = [1, 2]\nhead = [1, 2, 3]\n", "a:"),
        ("unit = 'mm'\n[[point]]\nname = 'a'\nmri = [1, 2, 3]\n", "a point has"),
        ("unit = ", "Invalid value"),
    ],
)
def test_broken_toml_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    toml = tmp_path / "points.toml"
    toml.write_text(text)
    assert main(["register", str(toml)]) == 2
    assert said in capsys.readouterr().err


def test_three_points_are_registered_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = write_csv(tmp_path / "points.csv", navigator_mm(1.0))
    csv.write_text("\n".join(csv.read_text().splitlines()[:4]) + "\n")
    assert main(["register", str(csv)]) == 2
    assert "add one off their plane" in capsys.readouterr().err
    assert main(["register", str(csv), "--coplanar"]) == 0
    assert "# note: a mirrored set fits as well" in capsys.readouterr().out


def test_missing_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", str(tmp_path / "none.csv")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
