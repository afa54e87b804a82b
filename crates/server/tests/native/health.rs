//! What machines that watch a node are told.

use serde_json::json;

use crate::installation::{Installation, NOW};

#[actix_web::test]
async fn a_node_says_which_part_is_missing_and_nothing_of_where_it_lies() {
    let it = Installation::new().await;
    let ready = it.get(&it.admin, "/readyz").await;
    assert_eq!((ready.status, &ready.body), (200, &json!({"status": "ready"})));
    assert_eq!(it.get(&it.admin, "/healthz").await.body, json!({"status": "alive"}));

    it.clock.set(NOW + 1000);
    it.state.service.now();
    it.clock.set(NOW);
    let late = it.get(&it.admin, "/readyz").await;
    let reason =
        "the clock is 1000 s behind the highest time seen; set it right, or wait until it has caught up";
    assert_eq!(late.status, 503);
    assert_eq!(late.body, json!({"status": "notReady", "reason": reason, "missing": ["clock"]}));

    it.clock.set(NOW + 2000);
    it.state.service.shut_down().await;
    let closed = it.get(&it.admin, "/readyz").await;
    let reason = "the store cannot be read or written";
    assert_eq!(closed.status, 503);
    assert_eq!(closed.body, json!({"status": "notReady", "reason": reason, "missing": ["database"]}));
    it.clock.set(NOW + 1900);
    let both = it.get(&it.admin, "/readyz").await;
    assert_eq!(both.body["missing"], json!(["database", "clock"]));
}

#[actix_web::test]
async fn the_metrics_tell_how_many_uses_were_taken_together_and_that_a_node_on_sqlite_is_alone() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload", "limit": 5})).await;
    let question = json!({"credential": {"value": issued["value"]}, "request": {"method": "POST"}});
    for _ in 0..3 {
        assert_eq!(
            it.call(&it.admin, "POST", "/v1/authorize", question.clone()).await.body["code"],
            "ALLOWED"
        );
    }
    let metrics = String::from_utf8(it.get(&it.admin, "/metrics").await.bytes.to_vec()).unwrap();
    for line in [
        "# TYPE countermark_use_batch_size histogram",
        "countermark_use_batch_size_bucket{le=\"1\"} 3",
        "countermark_use_batch_size_bucket{le=\"512\"} 3",
        "countermark_use_batch_size_bucket{le=\"+Inf\"} 3",
        "countermark_use_batch_size_sum 3",
        "countermark_use_batch_size_count 3",
        "# TYPE countermark_nodes_live gauge",
        "countermark_nodes_live 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("countermark_lease"), "{metrics}");
    let names: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "each is declared once: {names:?}");
}
