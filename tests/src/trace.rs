//! Reads a system-call trace and tells whether every answer left only after its own change was on the disk.
//!
//! A kill cannot show a missing sync, since the kernel keeps what was written: only the order of the calls can.

use std::collections::HashMap;

/// One system call's beginning or end, in the order in which the tracer saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A request that changes something has been read.
    Asked,
    /// Bytes have been written to the write-ahead log.
    Written,
    /// A sync of the write-ahead log has begun.
    SyncBegun,
    /// A sync of the write-ahead log has succeeded.
    Synced,
    /// The answer to the request is being written to the socket; whether it says that it was done.
    Answered { done: bool },
}

/// What a trace shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Successful answers to requests that change something.
    pub answers: usize,
    /// Those that left without a write and then a whole sync of the write-ahead log since their request came.
    pub unsynced: usize,
}

/// Judges the output of `strace -f -y` of a server whose only client asks one thing at a time.
pub fn judge(trace: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut window: Option<Window> = None;
    for step in steps(trace) {
        match (step, window.as_mut()) {
            (Step::Asked, _) => window = Some(Window::default()),
            (Step::Answered { done }, Some(since)) => {
                verdict.answers += usize::from(done);
                verdict.unsynced += usize::from(done && !since.synced);
                window = None;
            }
            (Step::Written, Some(since)) => since.written = true,
            (Step::SyncBegun, Some(since)) => since.syncing = since.written,
            (Step::Synced, Some(since)) => since.synced |= since.syncing,
            (_, None) => {}
        }
    }
    verdict
}

/// What has happened since the request came; a sync counts only if the write ended before it began.
#[derive(Default)]
struct Window {
    written: bool,
    syncing: bool,
    synced: bool,
}

fn steps(trace: &str) -> Vec<Step> {
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    let mut steps = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            steps.extend(at_begin(begun));
            unfinished.insert(thread, begun);
        } else if call.starts_with("<... ") {
            let begun = unfinished.remove(thread).unwrap_or_default();
            steps.extend(at_end(begun, call));
        } else {
            steps.extend(at_begin(call));
            steps.extend(at_end(call, call));
        }
    }
    steps
}

fn at_begin(call: &str) -> Option<Step> {
    let name = call.split('(').next()?;
    if is_sync(name) && on_log(call) {
        return Some(Step::SyncBegun);
    }
    let sends = ["write", "writev", "sendto", "sendmsg"].contains(&name);
    let status = call.split_once("\"HTTP/1.1 ").filter(|_| sends)?.1;
    Some(Step::Answered { done: status.starts_with('2') })
}

/// `begun` has the arguments that were known at the beginning, `ended` the result.
fn at_end(begun: &str, ended: &str) -> Option<Step> {
    let name = begun.split('(').next()?;
    let succeeded = ended.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with(['-', '?']));
    if is_sync(name) && on_log(begun) && succeeded {
        return Some(Step::Synced);
    }
    if ["pwrite64", "pwritev", "pwritev2", "write", "writev"].contains(&name) && on_log(begun) {
        return Some(Step::Written);
    }
    let reads = ["read", "recvfrom", "recvmsg", "readv"].contains(&name);
    let changes = ["\"POST /v1/access-tokens", "\"POST /v1/authorize", "\"PATCH /v1/", "\"DELETE /v1/"];
    // A read's bytes are known at its end only.
    (reads && changes.iter().any(|start| ended.contains(start))).then_some(Step::Asked)
}

fn is_sync(name: &str) -> bool {
    matches!(name, "fdatasync" | "fsync")
}

/// Only the first argument is looked at: paths may also stand in the data.
fn on_log(call: &str) -> bool {
    call.split(['>', ',']).next().is_some_and(|first| first.ends_with("-wal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &str = "71 recvfrom(9<socket:[5]>, \"POST /v1/authorize HTTP/1.1\\r\\nhost\"..., 4096, 0, NULL, NULL) = 310\n";
    const WRITE: &str = "73 pwrite64(12</d/countermark.db-wal>, \"\\0\\0\"..., 4096, 8216) = 4096\n";
    const SYNC: &str = "73 fdatasync(12</d/countermark.db-wal>) = 0\n";
    const ANSWER: &str = "71 sendto(9<socket:[5]>, \"HTTP/1.1 200 OK\\r\\ncontent-length:\"..., 411, MSG_NOSIGNAL, NULL, 0) = 411\n";

    fn unsynced(trace: &[&str]) -> usize {
        let verdict = judge(&trace.concat());
        assert_eq!(verdict.answers, 1, "{trace:?}");
        verdict.unsynced
    }

    #[test]
    fn written_then_synced_then_answered_is_right() {
        assert_eq!(unsynced(&[ASK, WRITE, WRITE, SYNC, ANSWER]), 0);
    }

    #[test]
    fn an_answer_without_a_sync_is_found() {
        assert_eq!(unsynced(&[ASK, WRITE, ANSWER, SYNC]), 1);
        assert_eq!(unsynced(&[SYNC, ASK, WRITE, ANSWER]), 1);
        assert_eq!(unsynced(&[ASK, ANSWER]), 1);
    }

    #[test]
    fn a_sync_before_the_write_does_not_count() {
        assert_eq!(unsynced(&[ASK, SYNC, WRITE, ANSWER]), 1);
    }

    #[test]
    fn a_sync_of_another_file_does_not_count() {
        let other = "73 fdatasync(11</d/countermark.db>) = 0\n";
        assert_eq!(unsynced(&[ASK, WRITE, other, ANSWER]), 1);
        let named_in_data = "73 write(2</d/log>, \"/d/countermark.db-wal\", 21) = 21\n";
        assert_eq!(unsynced(&[ASK, named_in_data, SYNC, ANSWER]), 1);
    }

    #[test]
    fn a_failed_sync_does_not_count() {
        let failed = "73 fdatasync(12</d/countermark.db-wal>) = -1 EIO (Input/output error)\n";
        assert_eq!(unsynced(&[ASK, WRITE, failed, ANSWER]), 1);
    }

    #[test]
    fn calls_that_overlap_are_ordered_by_their_ends() {
        let begun = "73 fdatasync(12</d/countermark.db-wal> <unfinished ...>\n";
        let ended = "73 <... fdatasync resumed>) = 0\n";
        assert_eq!(unsynced(&[ASK, WRITE, begun, ended, ANSWER]), 0);
        assert_eq!(unsynced(&[ASK, WRITE, begun, ANSWER, ended]), 1);
        let write_begun = "74 pwrite64(12</d/countermark.db-wal>, \"\\0\"..., 4096, 8216 <unfinished ...>\n";
        let write_ended = "74 <... pwrite64 resumed>) = 4096\n";
        assert_eq!(unsynced(&[ASK, write_begun, begun, write_ended, ended, ANSWER]), 1);
        let ask_begun = "71 recvfrom(9<socket:[5]>,  <unfinished ...>\n";
        let ask_ended =
            "71 <... recvfrom resumed>\"DELETE /v1/access-tokens/up_0\"..., 4096, 0, NULL, NULL) = 99\n";
        assert_eq!(unsynced(&[ask_begun, ask_ended, WRITE, SYNC, ANSWER]), 0);
    }

    #[test]
    fn a_recorded_trace_of_a_database_that_does_not_sync_is_found() {
        let recorded = include_str!("trace_of_synchronous_normal.txt");
        let verdict = judge(recorded);
        assert!(verdict.answers >= 3 && verdict.unsynced == verdict.answers, "{verdict:?}");
    }

    #[test]
    fn refusals_need_no_sync() {
        let refused = ANSWER.replace("200 OK", "404 Not Found");
        assert_eq!(judge(&[ASK, &refused].concat()), Verdict::default());
    }
}
