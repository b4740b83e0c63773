"""Dashboard, alerts and scrape targets of deploy/: every name in them is one that the code has, every port one that is served."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from streams.metrics import port_of_flow, port_of_ingest, port_of_worker
from streams.metrics.table import HISTOGRAM, ROLES, full_name, series_names
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/greekstream.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())["groups"][0]["rules"]
SCRAPES = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]
NAME = re.compile(r"\b(?:greekstream|process)_[a-z_]+")
OF_EVERY_PROCESS = {"process_resident_memory_bytes"}
LABELS = {
    f"{full_name(role, metric)}{end}": {*metric.labels, *({"le"} if metric.kind == HISTOGRAM else ())}
    for role, metrics in ROLES.items()
    for metric in metrics
    for end in (("_bucket", "_sum", "_count") if metric.kind == HISTOGRAM else ("",))
}
FROM_PROMETHEUS = {"instance", "job"}


@pytest.mark.parametrize("query", QUERIES)
def test_every_metric_and_label_of_a_query_is_one_that_the_code_has(query: str) -> None:
    names = NAME.findall(query)
    assert names or query.startswith("up{"), "a query of ours asks for something of ours"
    assert set(names) <= series_names() | OF_EVERY_PROCESS
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    matched = set(re.findall(r"[{,]\s*([a-z_]+)\s*[=!]", query))
    have = FROM_PROMETHEUS.union(*(LABELS.get(name, set()) for name in names))
    assert grouped | matched <= have
    assert query.count("(") == query.count(")") and query.count("[") == query.count("]")


@pytest.mark.parametrize("query", QUERIES)
def test_totals_are_asked_for_as_rates_and_gauges_are_not(query: str) -> None:
    for name in NAME.findall(query):
        is_rated = re.search(rf"(?:rate|increase)\({name}(?:\{{[^}}]*\}})?\[\d+[smh]\]\)", query) is not None
        assert is_rated == name.endswith(("_total", "_bucket")), name


def test_a_name_that_the_code_does_not_have_would_be_noticed() -> None:
    assert NAME.findall("sum(greekstream_worker_recrods_total)") == ["greekstream_worker_recrods_total"]
    assert "greekstream_worker_recrods_total" not in series_names()


def test_panels_say_what_they_show_and_where_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= mine
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)


def test_the_dashboard_uses_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    asked = {panel["datasource"]["uid"] for panel in PANELS}
    asked |= {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert asked == {source["uid"]}
    (published,) = SERVICES["prometheus"]["ports"]
    assert source["url"] == f"http://prometheus:{published.rpartition(':')[2]}"


def test_the_folder_that_is_provisioned_is_the_one_that_is_mounted() -> None:
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/greekstream.yml").read_text())["providers"]
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/greekstream.json"
    rules = dict(volume.split(":")[:2] for volume in SERVICES["prometheus"]["volumes"])
    assert rules["./deploy/prometheus/rules.yml"] in SCRAPES["rule_files"]


def test_what_is_scraped_is_what_is_served() -> None:
    base = int(SERVICES["workers"]["environment"]["GREEKSTREAM_METRICS_PORT"])
    wanted = {
        "supervisor": {f"workers:{base}"},
        "workers": {f"workers:{port_of_worker(base, i)}" for i in range(16)},
        "ingest": {f"ingest:{SERVICES['ingest']['environment']['GREEKSTREAM_METRICS_PORT']}"},
        "flow": {f"flow:{SERVICES['flow']['environment']['GREEKSTREAM_METRICS_PORT']}"},
    }
    assert port_of_flow(base) == int(SERVICES["flow"]["environment"]["GREEKSTREAM_METRICS_PORT"])
    assert port_of_ingest(base) == int(SERVICES["ingest"]["environment"]["GREEKSTREAM_METRICS_PORT"])
    always = [job for job in SCRAPES["scrape_configs"] if "static_configs" in job]
    assert wanted == {job["job_name"]: set(job["static_configs"][0]["targets"]) for job in always}
    (profiles,) = [job for job in SCRAPES["scrape_configs"] if job not in always]
    assert {(one["names"][0], one["port"]) for one in profiles["dns_sd_configs"]} == {
        (name, int(service["environment"]["GREEKSTREAM_METRICS_PORT"]))
        for name, service in SERVICES.items()
        if "profiles" in service and "GREEKSTREAM_METRICS_PORT" in service.get("environment", {})
    }


def test_alerts_have_names_of_their_own_and_say_what_is_wrong() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    operations = (ROOT / "docs/operations.md").read_text()
    for rule in RULES:
        assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning")
        assert rule["alert"] in operations, "docs/operations.md says what to do"
