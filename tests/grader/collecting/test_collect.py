"""Downloads of Canvas and Moodle: who is who, which file counts, and what a bad file may not do."""

import datetime
import io
import stat
import zipfile
from pathlib import Path

import pytest

from course.exercises import find_unit
from grader.collecting.archives import read_download
from grader.collecting.collect import Absent, absent, collect, strays
from grader.collecting.downloads import CANVAS, MOODLE
from grader.collecting.rosters import Student, read_students
from grader.errors import GraderError, UsageError
from grader.stock import open_gradebook
from platforms import CANVAS_LIST, MOODLE_LIST, stamped, zipped

ROOT = Path(__file__).parents[3]
NAME = "optimizers_exercises.ipynb"
NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
OTHER = NOTEBOOK + b" "


def ada(file=NAME, upload=8301, late=""):
    return f"lovelaceada_{late}4711_{upload}_{file}"


def moodle(name="Ada Lovelace", number=901, file=NAME, flat=False):
    return f"{name}_{number}_assignsubmission_file_{'' if flat else '/'}{file}"


@pytest.fixture
def take(klass, unit, console, tmp_path):
    """Collect a download with these files, and return what was done."""

    def run(files, roster=None, **options):
        path = tmp_path / "download.zip"
        path.write_bytes(files if isinstance(files, bytes) else zipped(files))
        if roster is not None:
            (tmp_path / "roster.csv").write_text(roster.format(most=30))
            options["roster"] = tmp_path / "roster.csv"
        return collect(klass, unit, [path], console, **options)

    return run


def submitted(klass, unit):
    """Return what lies below ``submitted``, by student: the notebook and the time."""
    found = {}
    for student in klass.students(unit):
        folder = klass.submitted(unit, student)
        stamp = folder / "timestamp.txt"
        found[student] = (
            (folder / NAME).read_bytes(),
            stamp.read_text().strip() if stamp.exists() else None,
        )
    return found


def tree(klass):
    return {p: p.stat().st_mtime_ns for p in sorted(klass.root.rglob("*"))}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("lovelaceada_4711_8301_nb.ipynb", ("lovelaceada", None, "4711", "8301", "nb.ipynb")),
        (
            "lovelaceada_LATE_4711_8301_nb-1.ipynb",
            ("lovelaceada", "LATE", "4711", "8301", "nb-1.ipynb"),
        ),
        ("o_haraé_4711_8301_a_1_2_b.ipynb", ("o_haraé", None, "4711", "8301", "a_1_2_b.ipynb")),
        ("anon_x7Qz1_8301_nb.ipynb", (None, None, "anon_x7Qz1", "8301", "nb.ipynb")),
        ("LATE_anon_x7Qz1_8301_nb.ipynb", (None, "LATE", "anon_x7Qz1", "8301", "nb.ipynb")),
        ("late_4711_8301_nb.ipynb", ("late", None, "4711", "8301", "nb.ipynb")),
        ("lovelaceada_4711_text.html", None),
        ("nb.ipynb", None),
    ],
)
def test_names_in_canvas_s_downloads(name, parts):
    match = CANVAS.fullmatch(name)
    assert (match and match.group("name", "late", "user", "upload", "file")) == parts


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ada Lovelace_901_assignsubmission_file_", ("Ada Lovelace", "901", "file", "")),
        ("Ada Lovelace_901_assignsubmission_file", ("Ada Lovelace", "901", "file", None)),
        (
            "Ada Lovelace_901_assignsubmission_file_a_b.ipynb",
            ("Ada Lovelace", "901", "file", "a_b.ipynb"),
        ),
        ("Participant_901_assignsubmission_file_", ("Participant", "901", "file", "")),
        (
            "Ada Lovelace_901_assignsubmission_onlinetext_",
            ("Ada Lovelace", "901", "onlinetext", ""),
        ),
        ("Ada Lovelace_assignsubmission_file_", None),
    ],
)
def test_names_in_moodle_s_downloads(name, parts):
    match = MOODLE.fullmatch(name)
    assert (match and match.group("name", "user", "plugin", "file")) == parts


def test_canvas_with_its_gradebook(take, klass, unit):
    done = take(
        [
            (ada(), NOTEBOOK),
            ("oharazoë_LATE_4712_8302_optimizers_exercises-2.ipynb", OTHER),
            ("hoppergrace_4713_text.html", b"<p>Hello</p>"),
        ],
        CANVAS_LIST,
    )
    assert (done.platform, done.new, done.late) == ("canvas", ["4711", "4712"], ["4712"])
    assert submitted(klass, unit) == {"4711": (NOTEBOOK, None), "4712": (OTHER, None)}
    with open_gradebook(klass.gradebook_url) as book:
        names = {s.id: (s.first_name, s.last_name, s.email) for s in book.students}
    assert names == {
        "4711": ("Ada", "Lovelace", "ada@uni.example"),
        "4712": ("Zoë", "O'Hara", "zoe@uni.example"),
        "4713": ("Grace", "Hopper", "grace@uni.example"),
    }
    assert any("does not tell when files were handed in" in note for note in done.notes)


@pytest.mark.parametrize("flat", [False, True])
def test_moodle_with_its_worksheet(take, klass, unit, flat):
    done = take(
        [
            (moodle(flat=flat), NOTEBOOK),
            (moodle("Zoë O'Hara", 902, "homework (1).ipynb", flat=flat), OTHER),
            ("Ada Lovelace_901_assignsubmission_onlinetext_/onlinetext.html", b"<p>Hi</p>"),
        ],
        MOODLE_LIST,
    )
    assert (done.platform, done.new) == ("moodle", ["m-1", "m-2"])
    local = datetime.datetime(2026, 11, 20, 23, 58).astimezone(datetime.UTC)
    assert submitted(klass, unit)["m-1"] == (NOTEBOOK, f"{local:%Y-%m-%d %H:%M:%S} UTC")
    assert submitted(klass, unit)["m-2"][0] == OTHER
    assert f"m-2: homework (1).ipynb is taken as {NAME}." in done.notes


def test_moodle_s_times_are_of_the_class_s_zone(take, klass, unit, console, tmp_path):
    from grader.class_folder import open_class

    text = (klass.root / "class.toml").read_text()
    (klass.root / "class.toml").write_text(f'timezone = "Asia/Tokyo"\n{text}')
    (tmp_path / "d.zip").write_bytes(zipped([(moodle(), NOTEBOOK)]))
    (tmp_path / "r.csv").write_text(MOODLE_LIST.format(most=30))
    opened = open_class(klass.root)
    collect(opened, unit, [tmp_path / "d.zip"], console, roster=tmp_path / "r.csv")
    assert submitted(klass, unit)["m-1"][1] == "2026-11-20 14:58:00 UTC"


def test_without_a_roster_the_names_are_the_ids_and_stay(take, klass, unit):
    assert take([(moodle(), NOTEBOOK)]).new == ["ada-lovelace"]
    done = take([(moodle(number=955), OTHER), (moodle("Zoë O'Hara", 902), OTHER)], MOODLE_LIST)
    assert (done.replaced, done.new) == (["ada-lovelace"], ["m-2"])
    assert [s.email for s in read_students(klass) if s.student == "ada-lovelace"] == [
        "ada@uni.example"
    ]


def test_a_roster_given_once_is_kept(take):
    take([(moodle(), NOTEBOOK)], MOODLE_LIST)
    assert take([(moodle("Hopper Grace", 903), NOTEBOOK)]).new == ["m-3"]


@pytest.mark.parametrize(
    ("files", "chosen", "said"),
    [
        ([(ada(upload=2), OTHER), (ada(upload=1), NOTEBOOK)], OTHER, "of 2 notebooks the newest"),
        ([(ada("a.ipynb", 9), OTHER), (ada(upload=1), NOTEBOOK)], NOTEBOOK, None),
        ([(ada("a.ipynb", 2), OTHER), (ada("b.ipynb", 1), NOTEBOOK)], OTHER, "left out: b.ipynb"),
        ([(ada("a.ipynb"), OTHER)], OTHER, f"a.ipynb is taken as {NAME}"),
        (
            [(ada("optimizers_exercises (1).ipynb", 1), OTHER), (ada("b.ipynb", 9), NOTEBOOK)],
            OTHER,
            "(1).ipynb is taken",
        ),
        (
            [(ada("optimizers_exercises-3.ipynb", 1), OTHER), (ada("b.ipynb", 9), NOTEBOOK)],
            OTHER,
            "-3.ipynb is taken",
        ),
        ([(ada("work.zip"), zipped([(f"my/{NAME}", OTHER), ("x.txt", b"")]))], OTHER, None),
        (
            [
                (
                    ada("work.zip"),
                    zipped(
                        [
                            (f"__MACOSX/._{NAME}", OTHER),
                            (NAME, NOTEBOOK),
                            (f".ipynb_checkpoints/{NAME}", OTHER),
                        ]
                    ),
                )
            ],
            NOTEBOOK,
            None,
        ),
        (
            [(ada("work.zip", 9), b"no zip"), (ada(upload=1), NOTEBOOK)],
            NOTEBOOK,
            "work.zip is no zip file that can be read",
        ),
        (
            [
                (ada("work.zip", 9), zipped([("in.zip", zipped([(NAME, OTHER)]))])),
                (ada(upload=1), NOTEBOOK),
            ],
            NOTEBOOK,
            "has no notebook in it",
        ),
    ],
)
def test_which_notebook_counts(take, klass, unit, files, chosen, said):
    done = take(files)
    assert submitted(klass, unit)["4711"][0] == chosen
    told = [note for note in done.notes if note.startswith("4711: ")]
    assert bool(told) == (said is not None)
    assert said is None or any(said in note for note in told)


def test_two_notebooks_of_one_name_are_told_apart(take):
    done = take([(ada(upload=2), OTHER), (ada(upload=1), NOTEBOOK)])
    assert (
        "4711: of 2 notebooks the newest is taken, lovelaceada_4711_2_optimizers_exercises.ipynb; "
        "left out: lovelaceada_4711_1_optimizers_exercises.ipynb." in done.notes
    )


def test_two_notebooks_of_one_name_in_zip_files_are_told_apart(take):
    done = take([(ada("a.zip", n), zipped([(NAME, NOTEBOOK + b" " * n)])) for n in (1, 2)])
    assert (
        f"4711: of 2 notebooks the newest is taken, lovelaceada_4711_2_a.zip/{NAME}; "
        f"left out: lovelaceada_4711_1_a.zip/{NAME}." in done.notes
    )


def test_a_student_without_a_notebook_is_named(take, klass, unit):
    done = take([(ada("work.zip"), zipped([("x.txt", b"")])), ("hopper_4713_9_x.ipynb", OTHER)])
    assert "4711: work.zip has no notebook in it; left out." in done.notes
    assert list(submitted(klass, unit)) == ["4713"]


def test_what_is_there_is_kept_before_it_is_replaced(take, klass, unit):
    take([(ada(), NOTEBOOK)])
    assert take([(ada(), NOTEBOOK)]).unchanged == ["4711"]
    done = take([(ada(upload=8400), OTHER)])
    assert (done.replaced, submitted(klass, unit)["4711"][0]) == (["4711"], OTHER)
    older = list((klass.root / "collected/older/4711/03_optimizers").glob(f"*/{NAME}"))
    assert [path.read_bytes() for path in older] == [NOTEBOOK]
    done = take([(ada(), NOTEBOOK)])
    assert done.unchanged == ["4711"]
    assert any("is older than what is there" in note for note in done.notes)
    assert submitted(klass, unit)["4711"][0] == OTHER


def test_an_older_moodle_submission_does_not_replace_a_newer(take, klass, unit):
    earlier = MOODLE_LIST.replace("Friday, 20 November 2026", "Thursday, 19 November 2026")
    take([(moodle(), OTHER)], MOODLE_LIST)
    done = take([(moodle(), NOTEBOOK)], earlier)
    assert (submitted(klass, unit)["m-1"][0], done.unchanged) == (OTHER, ["m-1"])
    assert any("before what is there" in note for note in done.notes)


def test_a_newer_submission_does_not_inherit_an_older_time(take, klass, unit):
    take([(moodle(), NOTEBOOK)], MOODLE_LIST)
    assert submitted(klass, unit)["m-1"][1] is not None
    take([(moodle(), OTHER)], MOODLE_LIST.replace("Friday, 20 November 2026, 11:58 PM", "-"))
    assert submitted(klass, unit)["m-1"] == (OTHER, None)


@pytest.mark.parametrize(
    ("minutes", "times"),
    [(5, [None, None]), (90, ["2026-11-20 12:00:00 UTC", "2026-11-20 13:30:00 UTC"])],
)
def test_times_in_the_archive_count_unless_the_download_made_them(
    take, klass, unit, minutes, times
):
    start = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
    later = start + datetime.timedelta(minutes=minutes)
    take(
        [
            (stamped(moodle(), (2026, 1, 1, 0, 0, 0), start), NOTEBOOK),
            (stamped(moodle("Zoë O'Hara", 902), (2026, 1, 1, 0, 0, 0), later), NOTEBOOK),
        ]
    )
    assert [row[1] for row in submitted(klass, unit).values()] == times


def test_an_unpacked_download_is_as_good(klass, unit, console, tmp_path):
    with zipfile.ZipFile(io.BytesIO(zipped([(moodle(), NOTEBOOK)]))) as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "unpacked" / moodle("Eve", 904).split("/")[0]).mkdir()
    (tmp_path / "unpacked" / moodle("Eve", 904)).symlink_to("/etc/passwd")
    done = collect(klass, unit, [tmp_path / "unpacked"], console)
    assert list(submitted(klass, unit)) == ["ada-lovelace"]
    assert f"eve: {NAME} is no plain file; left out." in done.notes


def link():
    info = zipfile.ZipInfo("evil_1_1_nb.ipynb")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def lying_bomb():
    """Return an archive whose notebook says that it has 10 bytes and has 30 MB."""
    packed = bytearray(zipped([("evil_1_1_nb.ipynb", b" " * 30_000_000), (ada(), NOTEBOOK)]))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = packed.index(mark)
        packed[start + place : start + place + 4] = (10).to_bytes(4, "little")
    return bytes(packed)


def encrypted():
    packed = bytearray(zipped([("evil_1_1_nb.ipynb", NOTEBOOK), (ada(), NOTEBOOK)]))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + place] |= 1
    return bytes(packed)


def broken():
    packed = bytearray(zipped([("evil_1_1_nb.ipynb", NOTEBOOK * 50), (ada(), NOTEBOOK)]))
    start = packed.index(b"evil_1_1_nb.ipynb") + 20
    packed[start : start + 10] = bytes(10)
    return bytes(packed)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("../../evil_1_1_nb.ipynb", OTHER), (ada(), NOTEBOOK)], "leads out of the download"),
        ([("..\\evil_1_1_nb.ipynb", OTHER), (ada(), NOTEBOOK)], "leads out of the download"),
        ([("/tmp/evil_1_1_nb.ipynb", OTHER), (ada(), NOTEBOOK)], "leads out of the download"),
        ([("C:/evil_1_1_nb.ipynb", OTHER), (ada(), NOTEBOOK)], "leads out of the download"),
        ([(link(), b"/etc/passwd"), (ada(), NOTEBOOK)], "1: nb.ipynb is a link to another place"),
        ([("evil_1_1_nb.ipynb", b" " * 30_000_000), (ada(), NOTEBOOK)], "1: nb.ipynb has 30 MB"),
        (
            [("evil_1_1_w.zip", zipped([("nb.ipynb", b" " * 30_000_000)])), (ada(), NOTEBOOK)],
            "1: nb.ipynb has 30 MB",
        ),
        (
            [("evil_1_1_w.zip", zipped([(f"{n}", b"") for n in range(2001)])), (ada(), NOTEBOOK)],
            "1: w.zip has 2001 files; up to 2000 are looked at",
        ),
        (lying_bomb(), "1: nb.ipynb "),
        (
            [("evil_1_1_answers.pdf", b"%PDF"), (ada(), NOTEBOOK)],
            "1: handed in no notebook, but answers.pdf; nothing to grade.",
        ),
        (encrypted(), "1: nb.ipynb is encrypted"),
        (broken(), "1: nb.ipynb is damaged"),
        (
            [("lecture/slides.ipynb", OTHER), (ada(), NOTEBOOK)],
            "slides.ipynb: belongs to no student",
        ),
    ],
)
def test_a_bad_file_is_left_out_and_named_and_stops_nobody(take, klass, unit, files, said):
    outside = set(klass.root.parent.iterdir())
    done = take(files)
    assert any(said in note for note in done.notes), done.notes
    assert submitted(klass, unit) == {"4711": (NOTEBOOK, None)}
    assert set(klass.root.parent.iterdir()) - outside <= {klass.root.parent / "download.zip"}


@pytest.mark.parametrize(
    ("files", "roster", "options", "error", "said"),
    [
        (b"no zip", None, {}, GraderError, "cannot be read as a zip file"),
        ([("nb.ipynb", NOTEBOOK)], None, {}, GraderError, "No file is named as in a download from"),
        ([("a.txt", b"")], None, {}, GraderError, "Found: no notebook at all"),
        ([(ada(), NOTEBOOK)], None, {"platform": "moodle"}, GraderError, "download from moodle"),
        ([(ada(), NOTEBOOK)], None, {"platform": "x"}, UsageError, "--from is 'x'; it can be auto"),
        ([(ada(), NOTEBOOK)], MOODLE_LIST, {}, GraderError, "is from canvas, and the roster"),
        ([(ada(), NOTEBOOK)], "a,b\n1,2\n", {}, UsageError, "not known by its columns a, b"),
        (
            [(moodle(), NOTEBOOK), (moodle(number=955), OTHER)],
            None,
            {},
            GraderError,
            "numbers 901 and 955\\), and would both be 'ada-lovelace'",
        ),
        (
            [(moodle("Ada.", 1), NOTEBOOK), (moodle("ada", 2), OTHER)],
            None,
            {},
            GraderError,
            "the class knows 'ada'",
        ),
        (
            [(moodle("Ada", 1), NOTEBOOK)],
            "First name,Surname,Email address\nAda,L,a@x\nAda,L,a@x\n",
            {},
            GraderError,
            "has 'Ada L' twice",
        ),
        ([(moodle("!!!", 1), NOTEBOOK)], None, {}, GraderError, "which gives no id"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_before_anything_is_written(
    take, klass, files, roster, options, error, said
):
    before = tree(klass)
    with pytest.raises(error, match=said):
        take(files, roster, **options)
    assert tree(klass) == before


def test_two_students_of_one_name_are_told_apart_by_a_roster(take, klass, unit):
    roster = MOODLE_LIST.replace("Zoë O'Hara", "Ada Lovelace")
    done = take([(moodle(), NOTEBOOK), (moodle(number=902), OTHER)], roster)
    assert done.new == ["m-1", "m-2"]
    assert [row[0] for row in submitted(klass, unit).values()] == [NOTEBOOK, OTHER]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("cp1252"),
        lambda text: (
            text.replace('"Lovelace, Ada"', "Lovelace, Ada")
            .replace(",", ";")
            .replace("; ", ", ")
            .encode()
        ),
    ],
)
def test_a_roster_is_read_as_spreadsheets_save_it(take, klass, unit, tmp_path, console, encode):
    roster = "First name,Last name,Email address\nZoë,Ångström,Zoe@Uni.example\n"
    (tmp_path / "list.csv").write_bytes(encode(roster))
    (tmp_path / "d.zip").write_bytes(zipped([(moodle("Zoë Ångström", 5), NOTEBOOK)]))
    done = collect(klass, unit, [tmp_path / "d.zip"], console, roster=tmp_path / "list.csv")
    assert done.new == ["zoe@uni.example"]


@pytest.mark.parametrize("name", ["Zoë O'Hara", "Zoe\u0308 O'Hara"])
def test_names_that_are_not_said_to_be_utf_8_are_read(take, name):
    packed = zipped([(moodle(name, 902), NOTEBOOK)])
    unsaid = bytearray(packed)
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        unsaid[unsaid.index(mark) + place] &= ~0x8
    for archive in (packed, bytes(unsaid)):
        assert [*take(archive).new, "zoë-o-hara"][0] == "zoë-o-hara"


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "@x", "-x"])
def test_names_in_the_class_s_list_are_no_formulas(take, klass, name):
    roster = f'Full name,Email address\n"{name}",x@uni.example\n'
    take([(moodle(), NOTEBOOK)], roster)
    lines = (klass.root / "students.csv").read_text().splitlines()
    assert [student.full_name for student in read_students(klass)] == ["Ada Lovelace", name]
    assert not any(cell.startswith("=") for line in lines for cell in line.split(","))


def test_a_damaged_list_of_students_is_named(take, klass):
    (klass.root / "students.csv").write_text("student,name\nada,Ada\n")
    with pytest.raises(
        GraderError, match=r"students\.csv must have the columns student, full_name"
    ):
        take([(ada(), NOTEBOOK)])


def test_notebooks_in_wrong_places_are_named(klass, unit):
    root = klass.root / "submitted"
    for place in (
        "loose.ipynb",
        "ada/loose.ipynb",
        "ada/unit3/nb.ipynb",
        f"ada/{unit.key}/x.ipynb",
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(NOTEBOOK)
    assert [line.split(":")[0] for line in strays(klass)] == [
        "submitted/ada/loose.ipynb",
        "submitted/ada/unit3/nb.ipynb",
        "submitted/loose.ipynb",
    ]


def test_a_link_in_the_place_of_a_submission_is_not_followed(take, klass, unit, tmp_path):
    folder = klass.submitted(unit, "4711")
    folder.mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("mine")
    (folder / NAME).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(GraderError, match="is a link to another place"):
        take([(ada(), NOTEBOOK)])
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_or_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"no file or folder .* Name what Canvas"):
        read_download(tmp_path / "none.zip")


def assignment_of(key):
    return (ROOT / find_unit(key).assignment).read_bytes()


def several(*keys, file="homework.ipynb"):
    """Return a download in which each student hands in the assignment of one of these units."""
    return [
        (f"student{n}_{n}_{n}_{file}", assignment_of(key)) for n, key in enumerate(keys, start=1)
    ]


@pytest.mark.parametrize("file", ["homework.ipynb", NAME, "data_parallel_exercises.ipynb"])
def test_the_download_of_another_unit_is_refused_before_anything_is_written(take, klass, file):
    before = tree(klass)
    with pytest.raises(UsageError) as refused:
        take(several("12_data_parallel", "12_data_parallel", "03_optimizers", file=file))
    assert tree(klass) == before
    assert "looks like the download of 12_data_parallel: 2 of its 3 notebooks" in str(refused.value)
    assert "Type grader collect 12_data_parallel " in str(refused.value)


def test_one_notebook_of_another_unit_is_named_and_left_out(take, klass, unit):
    done = take(several("03_optimizers", "12_data_parallel", "03_optimizers"))
    assert list(submitted(klass, unit)) == ["1", "3"]
    assert "2: homework.ipynb is the assignment of 12_data_parallel; left out." in done.notes


def test_what_a_notebook_holds_says_more_than_its_name(take, klass, unit):
    take(several("03_optimizers", file="data_parallel_exercises.ipynb"))
    assert list(submitted(klass, unit)) == ["1"]


def test_who_on_the_roster_has_handed_in_nothing(take, klass, unit):
    take([(ada(), NOTEBOOK)])
    assert absent(klass, unit) == Absent(0, ())
    take([(ada(), NOTEBOOK)], CANVAS_LIST)
    assert absent(klass, unit).line() == (
        "2 of 3 on the roster have handed in nothing: Zoë O'Hara (4712), Grace Hopper (4713)."
    )


def test_only_a_few_names_of_the_absent_are_told():
    students = tuple(Student(f"{n}", f"Name {n}") for n in range(8))
    line = Absent(60, students).line()
    assert line.startswith("8 of 60 on the roster have handed in nothing: Name 0 (0), ")
    assert line.endswith("Name 4 (4) and 3 more.")
    assert Absent(60, ()).line() == ""
