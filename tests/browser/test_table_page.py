"""The page of `m2m table show --interactive` in a real browser."""

from typing import Any

import pytest

from m2m_rt.app.table_page import page_of
from m2m_rt.app.table_scene import cortex_of
from m2m_rt.efield import EfieldLookup
from tests.support.chromium import needs_chromium, run_in_page
from tests.support.efield import make_synthetic_table
from tests.support.fem_shapes import layered_ball

pytestmark = needs_chromium

TURNED_AND_ZOOMED = """
  const canvas = document.querySelector("canvas");
  const painted = () => new Promise(done => setTimeout(done, 100));
  const look = async () => {
    await painted();
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let covered = 0, coloured = 0, sum = 0;
    for (let k = 0; k < data.length; k += 4) {
      if (!data[k + 3]) continue;
      covered++;
      sum = (31 * sum + data[k] + 7 * data[k + 1] + 13 * data[k + 2] + k) % 1000003;
      if (data[k + 2] > data[k] + 25) coloured++;  // bluish: a low value of the scale
    }
    return { covered, coloured, sum };
  };
  const drag = (x, y, buttons) => canvas.dispatchEvent(
    new PointerEvent("pointermove", { buttons, movementX: x, movementY: y }));
  const seen = { first: await look() };
  drag(120, 0, 0); seen.moved = await look();
  drag(120, 40, 1); seen.dragged = await look();
  canvas.dispatchEvent(new MouseEvent("dblclick")); seen.again = await look();
  canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -400, cancelable: true }));
  seen.near = await look();
  const size = [canvas.width, canvas.height], wanted = [innerWidth, innerHeight];
  const loaded = performance.getEntriesByType("resource").length;
  return { ...seen, size, wanted, loaded };
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = make_synthetic_table()
    pose = table.region.planned_head_from_coil
    ball = layered_ball(12, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    cortex = cortex_of(ball, table.roi.points_mm)
    page = page_of(table, cortex, pose, EfieldLookup(table).query(pose))
    folder = tmp_path_factory.mktemp("page")
    found: dict[str, Any] = run_in_page(page, TURNED_AND_ZOOMED, folder)
    assert "fault" not in found, found
    return found


def test_field_is_painted_over_the_window_and_nothing_is_loaded(
    seen: dict[str, Any],
) -> None:
    assert seen["size"] == seen["wanted"]
    assert seen["loaded"] == 0
    assert seen["first"]["covered"] > 10_000
    assert seen["first"]["coloured"] > 500


def test_dragging_turns_it_and_a_double_click_turns_it_back(
    seen: dict[str, Any],
) -> None:
    assert seen["moved"] == seen["first"]  # no button was down
    assert seen["dragged"]["sum"] != seen["first"]["sum"]
    assert seen["dragged"]["covered"] > 5_000
    assert seen["again"] == seen["first"]


def test_the_wheel_brings_it_nearer(seen: dict[str, Any]) -> None:
    assert seen["near"]["covered"] > 1.3 * seen["first"]["covered"]
