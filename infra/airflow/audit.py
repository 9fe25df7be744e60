"""`./airline audit` as a task: the same comparison, with credentials from Airflow's Connections."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from typing import Any

import psycopg2
from airflow.exceptions import AirflowException
from cosmos.operators.local import DbtRunLocalOperator

from infra.airflow import alerts, config, warehouse
from infra.audit import command
from infra.loading import landing
from infra.postgres import sessions
from infra.settings import Settings
from infra.stack.redaction import redacted
from infra.warehouse import IDENTITY_KEY

KINDS = ("missing", "surplus", "different", "changing")


class Audit(DbtRunLocalOperator):
    """Loads what the source has committed, with dbt's `selector`, and compares source and vault.

    Fails where they differ, where a table is not captured correctly, and where the comparison is
    not possible (a server does not answer, the connector does not run). The log has tables and
    counts, and no row.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(on_failure_callback=alerts.task_failed, **kwargs)

    def execute(self, context: Any, **kwargs: Any) -> None:
        settings = Settings.from_environment()
        source = warehouse.dsn(config.SOURCE_CONNECTION)
        vault = warehouse.dsn(config.WAREHOUSE_CONNECTION)
        shown = sys.stdout

        def bring_through(quietly: bool) -> None:
            # dbt's lines belong into the task's log.
            with redirect_stdout(shown):
                landing.wait_until_landed(settings, self.log.info, source, vault)
                if warehouse.unread():
                    super(Audit, self).execute(context, **kwargs)

        said = io.StringIO()
        try:
            with redirect_stdout(said):
                key = settings.secret(IDENTITY_KEY)
                command.main(["--json", "--names", "0"], source, vault, bring_through, key=key)
        except psycopg2.OperationalError as error:
            raise AirflowException(
                f"a database does not answer, so nothing was compared: {sessions.reason(error)}"
            ) from None
        self.judge(json.loads(said.getvalue()))

    def judge(self, report: dict[str, Any]) -> None:
        """Logs the report of `audit --json`. Raises AirflowException for differences."""
        bad = []
        for table in report["tables"]:
            kinds = [f"{table[kind]:,} {kind}" for kind in KINDS]
            self.log.info(
                "%s: %s rows, in the vault %s; %s",
                *(table["table"], f"{table['source_rows']:,}", f"{table['vault_rows']:,}"),
                ", ".join(kinds),
            )
            found = [kind for kind in kinds if not kind.startswith("0 ")]
            if found:
                bad.append(f"{table['table']} ({', '.join(found)})")
            if table["not_kept"]:
                self.log.info(
                    "%s: columns that the vault does not keep: %s",
                    *(table["table"], ", ".join(table["not_kept"])),
                )
        if report["unloaded_tables"]:
            self.log.info("nobody loads these: %s", ", ".join(report["unloaded_tables"]))
        # A server's message may quote a value.
        ill = [redacted(line) for line in report["findings"]]
        ill += [redacted(line) for table in report["tables"] for line in table["findings"]]
        for line in ill:
            self.log.error("%s", line)
        if report["differences"]:
            raise AirflowException(
                f"source and vault differ in {report['differences']:,} rows: {'; '.join(bad)}; "
                "'./airline audit' names rows, './airline resync' finds changes that were missed"
            )
        if ill:
            raise AirflowException(
                f"not every change of the source is captured, or compared: {'; '.join(ill)}"
            )
        self.log.info("source and vault are equal: %s tables", len(report["tables"]))
