from __future__ import annotations

from podman_llm.telemetry.metrics import Metric, prometheus_text


def test_metrics_of_one_name_share_their_head() -> None:
    text = prometheus_text(
        [
            Metric("a_total", "counter", "What a is.", 3, {"kind": "x"}),
            Metric("a_total", "counter", "What a is.", 4.5, {"kind": "y", "of": "z"}),
            Metric("b", "gauge", "What b is.", 0),
        ]
    )
    assert text == (
        "# HELP a_total What a is.\n"
        "# TYPE a_total counter\n"
        'a_total{kind="x"} 3\n'
        'a_total{kind="y",of="z"} 4.5\n'
        "# HELP b What b is.\n"
        "# TYPE b gauge\n"
        "b 0\n"
    )


def test_what_would_end_a_line_or_a_label_is_escaped() -> None:
    text = prometheus_text([Metric("a", "gauge", "one\ntwo\\", 1, {"x": 'say "no"\n'})])
    assert text.splitlines() == [
        "# HELP a one\\ntwo\\\\",
        "# TYPE a gauge",
        'a{x="say \\"no\\"\\n"} 1',
    ]


def test_no_metrics_are_no_text() -> None:
    assert not prometheus_text([])
