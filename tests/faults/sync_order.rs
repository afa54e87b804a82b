//! Every acknowledged change is on the disk before its answer leaves: shown by the order of the system calls.

use std::fs;

use countermark_tests::trace::judge;
use countermark_tests::{Options, TestServer, upload_question, url_question};
use serde_json::json;

use crate::alone;

#[test]
fn every_answer_leaves_after_the_sync_of_its_own_change() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let calls =
        "trace=pwrite64,pwritev,write,writev,sendto,sendmsg,read,readv,recvfrom,recvmsg,fdatasync,fsync";
    // -D keeps the server our own child, so that it can be stopped like any other.
    let mut under: Vec<_> =
        ["strace", "-D", "-f", "-y", "-s", "40", "-e", calls, "-o"].map(Into::into).into();
    under.push(trace.clone().into_os_string());
    let mut server = TestServer::with(Options { under, ..Options::default() });
    let mut admin = server.admin();

    let mut changes = 0;
    let (_, value) = admin.issue_upload(Some(1_000));
    let (_, url) = admin.issue_link(Some(1_000));
    changes += 2;
    for _ in 0..100 {
        assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED");
        assert_eq!(admin.authorize(&url_question(&url)), "ALLOWED");
        changes += 2;
    }
    for _ in 0..10 {
        let (id, _) = admin.issue_upload(Some(5));
        let regenerated = admin.call("POST", &format!("/v1/access-tokens/{id}/regenerate"), Some(&json!({})));
        assert_eq!(regenerated.status, 200, "{}", regenerated.text());
        assert_eq!(admin.patch(&id, &json!({"enabled": false})).status, 200);
        assert_eq!(admin.revoke(&id).status, 204);
        changes += 4;
    }
    assert_eq!(server.stop().code(), Some(0));

    // The tracer is detached from us: its last line tells that it has seen the end.
    let whole = countermark_tests::within(std::time::Duration::from_secs(10), || {
        fs::read_to_string(&trace).ok().filter(|text| text.trim_end().ends_with("+++"))
    });
    let verdict = judge(&whole.expect("the trace is written to its end"));
    assert_eq!(verdict.answers, changes, "the trace shows every answer");
    assert_eq!(verdict.unsynced, 0, "answers that left before their change was on the disk");
}
