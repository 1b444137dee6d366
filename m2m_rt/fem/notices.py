"""The licence notice that travels with every table made from fsaverage."""

from pathlib import Path

NOTICE_FILE = "NOTICE.freesurfer.txt"

FREESURFER_NOTICE = """\
The files in this folder are derived from the surfaces of fsaverage, the average
subject of FreeSurfer, as shipped with nilearn (fsaverage5: pial and white surfaces) and
MNE-Python (scalp and inner skull). They were voxelised, nested, meshed with tetrahedra
and used for finite-element solutions; the outer skull is the inner skull + 6 mm.

    Copyright © 2021 The General Hospital Corporation (Boston, MA) "MGH"

    Terms and conditions for use, reproduction, distribution and contribution
    are found in the 'FreeSurfer Software License Agreement' contained
    in the file 'LICENSE' found in the FreeSurfer distribution, and here:

    https://surfer.nmr.mgh.harvard.edu/fswiki/FreeSurferSoftwareLicense

    Reporting: freesurfer@nmr.mgh.harvard.edu

This is a demonstration head for research software. It is no validated anatomy of
anybody and must not be used for a person.
"""


def write_notices(folder: Path) -> None:
    """Write the notice beside a table."""
    (folder / NOTICE_FILE).write_text(FREESURFER_NOTICE, encoding="utf-8")
