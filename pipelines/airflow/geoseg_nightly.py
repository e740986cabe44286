"""Airflow DAG (2.9 and newer): four shards side by side, then a check. Copy into the DAG folder.

Airflow only starts commands. geoseg knows what is done, so a task that is tried again goes on where it stopped.
"""

from __future__ import annotations

import datetime

from airflow.models.dag import DAG
from airflow.operators.bash import BashOperator

CONFIG = "/shared/geoseg/nightly.yaml"
RUN = "/shared/geoseg/runs/nightly"
SHARDS = 4

with DAG(
    dag_id="geoseg_nightly",
    schedule="30 1 * * *",
    start_date=datetime.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": datetime.timedelta(minutes=10)},
):
    shards = [
        BashOperator(
            task_id=f"shard_{i}",
            bash_command=(
                f"geoseg --quiet run {CONFIG} --shard {i}/{SHARDS} --date {{{{ ds }}}} --log-json --quarantine-ok"
            ),
            env={"OMP_WAIT_POLICY": "PASSIVE"},
            append_env=True,
        )
        for i in range(1, SHARDS + 1)
    ]
    check = BashOperator(task_id="verify", bash_command=f"geoseg verify {RUN}")
    shards >> check
