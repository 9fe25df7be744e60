"""What `up` shows of a dbt run that failed must hold what dbt says to do about it."""

from infra.dbt import runner

OUTPUT = """\
17:01:27  Running with dbt=1.11.16
17:01:29  Encountered an error:
Compilation Error in operation airline-on-run-start-0 (./dbt_project.yml)
  The vault's hashes were made with other settings. To go on: set them back.

  > in macro refuse_hashing (macros/load_batch/check_hashing.sql)
17:01:30  3 of 9 ERROR creating sql table model dwh_stage.vst_airports ....... [ERROR in 0.1s]
17:01:30  4 of 9 START sql table model dwh_stage.vst_seats ................... [RUN]
17:01:31  5 of 9 FAIL 2 not_null_current_seats_seat_no ....................... [FAIL 2 in 0.1s]
17:01:32  Done. PASS=1 WARN=0 ERROR=1 SKIP=0 NO-OP=0 TOTAL=9
"""


def test_what_an_error_says_is_shown_with_it():
    """A person would read that an operation failed, and not what it says to do."""
    shown = runner.errors(OUTPUT)
    assert "  The vault's hashes were made with other settings. To go on: set them back." in shown
    assert [line for line in shown if "vst_airports" in line or "FAIL 2" in line]
    assert not [line for line in shown if "vst_seats" in line or "Running with" in line]
