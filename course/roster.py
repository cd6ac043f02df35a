"""Reads a class's list of students from a CSV file."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from course.errors import ClassroomError

COLUMNS = ("id", "first_name", "last_name", "email")
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")


@dataclass(frozen=True)
class Student:
    """One line of the list."""

    id: str
    first_name: str
    last_name: str
    email: str


def read_students(path: Path) -> list[Student]:
    """Return the students that the file lists: columns id, first_name, last_name, email.

    Raises:
        ClassroomError: the file cannot be read, lacks a column, or has a line whose id
            is missing, used twice or no name of a folder.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [it for it in COLUMNS if it not in (reader.fieldnames or ())]
            if missing:
                raise ClassroomError(
                    f"{path} lacks the column {missing[0]!r}; its first line must be "
                    f"{','.join(COLUMNS)}"
                )
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassroomError(
            f"{path} cannot be read ({error}): save the list as CSV in UTF-8"
        ) from None
    students: dict[str, Student] = {}
    for line, row in rows:
        student = Student(*((row[it] or "").strip() for it in COLUMNS))
        if not _ID.match(student.id):
            raise ClassroomError(
                f"{path}:{line}: id {student.id!r} must be letters, digits and . _ @ -, "
                "since it names the student's folder: change it"
            )
        if student.id in students:
            raise ClassroomError(
                f"{path}:{line}: id {student.id!r} occurs twice: remove one line"
            )
        students[student.id] = student
    return list(students.values())
