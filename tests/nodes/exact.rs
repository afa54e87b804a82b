//! Uses of one token on nine nodes at once: exactly the limit is granted, and every node and the database count the same.

use std::net::SocketAddr;
use std::sync::Arc;

use countermark_tests::{
    Answer, Client, Cluster, Database, burst, in_parallel, request, upload_question, url_question,
};
use serde_json::{Value, json};

use crate::{alone, cluster};

const NODES: usize = 9;
/// Kept connections to each node.
const CLIENTS: usize = 4;

#[test]
fn nine_nodes_grant_together_exactly_the_limit() {
    let _alone = alone();
    let (cluster, database) = cluster(NODES);
    let mut admins = cluster.admins();
    for limit in [1, 7, 100] {
        let (id, value) = admins[0].issue_upload(Some(limit));
        let granted = contest(&cluster, &upload_question(&value), 30);
        granted.is_counted(&mut admins, &database, &id, (limit, limit));
        let (id, url) = admins[1].issue_link(Some(limit));
        let granted = contest(&cluster, &url_question(&url), 30);
        granted.is_counted(&mut admins, &database, &id, (limit, limit));
    }
    let (id, value) = admins[2].issue_upload(Some(2000));
    let mut granted = Granted::default();
    // In the first two of these contests nobody is refused.
    for asked in [900, 1800, 2700] {
        granted = granted.and(contest(&cluster, &upload_question(&value), 25));
        granted.is_counted(&mut admins, &database, &id, (2000, asked));
    }
}

/// Every client asks so many times.
fn contest(cluster: &Cluster, question: &Value, times: usize) -> Granted {
    let callers: Arc<Vec<_>> = Arc::new(callers(cluster));
    let question = question.clone();
    let answers = in_parallel(NODES * CLIENTS, move |number| {
        let (address, key) = &callers[number % NODES];
        let mut client = Client::new(*address, key);
        (0..times).map(|_| client.try_authorize(&question).unwrap()).collect::<Vec<_>>()
    });
    Granted::by(&answers.concat())
}

fn callers(cluster: &Cluster) -> Vec<(SocketAddr, String)> {
    cluster.nodes.iter().map(|node| (node.address(), node.admin_key().to_owned())).collect()
}

/// Uses that clients were told of. A machine under heavy load may leave some without a decision: each of those is used or
/// not.
#[derive(Clone, Copy, Debug, Default)]
struct Granted {
    certain: u64,
    unknown: u64,
}

impl Granted {
    /// Uses in single answers and in results of batches; whatever else is said must be a refusal by limit.
    fn by(answers: &[Answer]) -> Self {
        let mut granted = Self::default();
        for answer in answers {
            let body = answer.json();
            for result in body["results"].as_array().unwrap_or(&vec![body.clone()]) {
                match result["code"].as_str() {
                    Some("ALLOWED") => granted.certain += 1,
                    Some("UNAVAILABLE") => granted.unknown += 1,
                    Some("LIMIT_REACHED" | "IDEMPOTENCY_IN_PROGRESS") => {}
                    _ => panic!("neither granted nor refused by limit: {}", answer.text()),
                }
            }
        }
        granted
    }

    fn and(self, other: Self) -> Self {
        Self { certain: self.certain + other.certain, unknown: self.unknown + other.unknown }
    }

    /// Of uses that cost so much each.
    fn costing(self, cost: u64) -> Self {
        Self { certain: self.certain * cost, unknown: self.unknown * cost }
    }

    /// What was granted is what the database and every node say to be used, at once; of the uses asked for it is all that
    /// the limit allows.
    fn is_counted(self, admins: &mut [Client], database: &Database, id: &str, (limit, asked): (u64, u64)) {
        let used = database.used(id);
        let told = format!("{self:?}, {used} used of {limit}, {asked} asked for");
        assert!((self.certain..=self.certain + self.unknown).contains(&used), "{told}");
        assert!(used <= limit && used + self.unknown >= limit.min(asked), "{told}");
        assert_counted(admins, database, id, limit, used);
    }
}

/// The database and every node say at once that so many are used.
fn assert_counted(admins: &mut [Client], database: &Database, id: &str, limit: u64, used: u64) {
    assert_eq!(database.used(id), used, "limit {limit}");
    for (node, admin) in admins.iter_mut().enumerate() {
        let view = admin.view(id);
        let counted = (view["used"].as_u64(), view["remaining"].as_u64());
        assert_eq!(counted, (Some(used), Some(limit - used)), "node {node}, limit {limit}");
    }
}

#[test]
fn bursts_over_nine_nodes_are_granted_exactly_the_limit() {
    let _alone = alone();
    let (cluster, database) = cluster(NODES);
    let mut admins = cluster.admins();
    for (round, (limit, clients)) in
        [(1, 72), (7, 72), (100, 72), (1, 180), (7, 180), (100, 180)].repeat(2).into_iter().enumerate()
    {
        let (id, value) = admins[round % NODES].issue_upload(Some(limit));
        let question = upload_question(&value);
        let batch = json!({"items": vec![question.clone(); 3]});
        // Every third request is a batch of three.
        let requests = (0..clients).map(|number| match number % 3 {
            0 => ("/v1/authorize/batch", &batch),
            _ => ("/v1/authorize", &question),
        });
        let granted = Granted::by(&burst(&spread(&cluster, requests)));
        let asked = clients + 2 * clients / 3;
        granted.is_counted(&mut admins, &database, &id, (limit, asked));
    }
}

#[test]
fn uses_that_cost_three_are_granted_whole_or_not_at_all() {
    let _alone = alone();
    let (cluster, database) = cluster(NODES);
    let mut admins = cluster.admins();
    for (limit, whole) in [(1, 0), (7, 2), (100, 33)] {
        let (id, value) = admins[0].issue_upload(Some(limit));
        let mut question = upload_question(&value);
        question["cost"] = json!(3);
        let answers = burst(&spread(&cluster, vec![("/v1/authorize", &question); 72]));
        // The limit allows no more than so many of three.
        let granted = Granted::by(&answers).costing(3);
        granted.is_counted(&mut admins, &database, &id, (limit, 3 * whole));
        question["cost"] = json!(limit - database.used(&id));
        assert_eq!(admins[8].authorize(&question), "ALLOWED", "the rest is there for who asks for no more");
        assert_counted(&mut admins, &database, &id, limit, limit);
    }
}

#[test]
fn an_idempotency_key_is_one_use_on_whatever_nodes_it_is_repeated() {
    let _alone = alone();
    let (cluster, database) = cluster(NODES);
    let mut admins = cluster.admins();
    let (id, value) = admins[0].issue_upload(Some(20));
    for round in 0..8 {
        let mut question = upload_question(&value);
        question["idempotencyKey"] = json!(format!("round-{round}"));
        if round % 2 == 0 {
            assert_eq!(admins[round].authorize(&question), "ALLOWED");
            for admin in &mut admins {
                assert_eq!(admin.authorize(&question), "ALLOWED", "a repetition is answered alike");
            }
        } else {
            let answers = burst(&spread(&cluster, vec![("/v1/authorize", &question); 45]));
            assert!(Granted::by(&answers).certain >= 1);
        }
        question["request"]["bytes"] = json!(1);
        let other = admins[NODES - 1].try_authorize(&question).unwrap();
        assert_eq!(other.status, 422, "another request under the same key: {}", other.text());
        assert_counted(&mut admins, &database, &id, 20, round as u64 + 1);
    }
    let token = json!({"type": "upload", "owner": "once", "limit": 3});
    let callers = callers(&cluster);
    let issued = in_parallel(NODES, move |node| {
        let mut admin = Client::new(callers[node].0, &callers[node].1);
        admin.try_call("POST", "/v1/access-tokens", &[("idempotency-key", "once")], Some(&token)).unwrap()
    });
    let values: Vec<_> = issued
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json()["value"].clone())
        .collect();
    assert!(!values.is_empty() && values.iter().all(|value| *value == values[0]), "one and the same");
    assert!(issued.iter().all(|answer| matches!(answer.status, 201 | 409)));
    let list = admins[3].call("GET", "/v1/access-tokens?owner=once", None).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[test]
fn uploads_end_on_other_nodes_than_they_began_on_and_end_once() {
    let _alone = alone();
    let (cluster, database) = cluster(3);
    let mut admins = cluster.admins();
    let (id, value) = admins[0].issue_upload(Some(100));
    let mut spent = 0;
    for round in 0..12 {
        let [a, b, c] = [round % 3, (round + 1) % 3, (round + 2) % 3];
        let upload = begin(&mut admins[a], &value);
        assert_counted(&mut admins, &database, &id, 100, spent + 1);
        let [complete, abort] = ["complete", "abort"].map(|verb| format!("/v1/uploads/{upload}/{verb}"));
        let result = json!({"result": {"bytes": 5}});
        if round % 2 == 0 {
            assert_eq!(admins[b].call("POST", &complete, Some(&result)).status, 200);
            assert_eq!(admins[c].call("POST", &complete, Some(&result)).status, 200, "the same call again");
            assert_eq!(admins[c].call("POST", &abort, None).code(), "UPLOAD_CLOSED");
            spent += 1;
        } else {
            assert_eq!(admins[b].call("POST", &abort, None).status, 200);
            assert_eq!(admins[c].call("POST", &abort, None).status, 200, "the same call again");
            assert_eq!(admins[c].call("POST", &complete, Some(&result)).code(), "UPLOAD_CLOSED");
        }
        assert_counted(&mut admins, &database, &id, 100, spent);
    }
    for round in 0..20 {
        let upload = begin(&mut admins[round % 3], &value);
        let bodies = [("complete", json!({"result": {"bytes": 5}})), ("abort", json!({}))]
            .map(|(verb, body)| (format!("/v1/uploads/{upload}/{verb}"), body));
        let ends = bodies.iter().map(|(path, body)| (path.as_str(), body));
        let statuses: Vec<_> = burst(&spread(&cluster, ends)).iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [200, 409] | [409, 200]), "one of both ends it: {statuses:?}");
        spent += u64::from(statuses[0] == 200);
        assert_counted(&mut admins, &database, &id, 100, spent);
    }
}

fn begin(admin: &mut Client, value: &str) -> String {
    let answer = admin.call("POST", "/v1/uploads", Some(&json!({"value": value})));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Each request to the next node.
fn spread<'a>(
    cluster: &Cluster,
    requests: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Vec<(SocketAddr, Vec<u8>)> {
    let spread = requests.into_iter().zip(cluster.nodes.iter().cycle()).map(|((path, body), node)| {
        let authorization = format!("Bearer {}", node.admin_key());
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        (node.address(), request("POST", path, &headers, Some(body.to_string().as_bytes())))
    });
    spread.collect()
}
