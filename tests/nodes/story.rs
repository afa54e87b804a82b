//! The whole story, each step on another node.

use countermark_tests::url_question;
use serde_json::json;

use crate::{alone, cluster};

#[test]
fn what_one_node_issues_another_signs_a_third_decides_and_a_fourth_ends() {
    let _alone = alone();
    let (cluster, _) = cluster(4);
    let mut admins = cluster.admins();
    let token = json!({"type": "imageUrl", "name": "first", "owner": "shop", "limit": 3, "ttl": 3600});
    let id = admins[0].issue(&token)["id"].as_str().unwrap().to_owned();
    let url = admins[1].sign(&id, "https://img.example.com/mycloud/w:200/i/cat.jpg");
    for (node, remaining) in [(2, 2), (3, 1), (0, 0)] {
        let answer = admins[node].try_authorize(&url_question(&url)).unwrap().json();
        assert_eq!((&answer["code"], &answer["remaining"]), (&json!("ALLOWED"), &json!(remaining)));
    }
    assert_eq!(admins[1].authorize(&url_question(&url)), "LIMIT_REACHED");
    assert_eq!(admins[2].patch(&id, &json!({"limit": 5})).status, 200);
    assert_eq!(admins[3].authorize(&url_question(&url)), "ALLOWED", "the raised limit holds everywhere");
    assert_eq!(admins[1].revoke(&id).status, 204);
    let views: Vec<_> = admins.iter_mut().map(|admin| admin.view(&id)).collect();
    for (node, admin) in admins.iter_mut().enumerate() {
        assert_eq!(admin.authorize(&url_question(&url)), "REVOKED", "node {node}");
        assert_eq!(views[node], views[0], "all nodes show the same record");
        let list = admin.call("GET", "/v1/access-tokens?owner=shop", None).json();
        assert_eq!(list["items"], json!([views[0]]), "all nodes list the same");
    }
    assert_eq!((&views[0]["status"], &views[0]["used"]), (&json!("revoked"), &json!(4)));
    let audit = admins[3].call("GET", &format!("/v1/audit?token={id}"), None).json();
    assert!(audit["items"].as_array().is_some_and(|items| items.len() >= 3), "{audit}");
}

#[test]
fn a_key_issued_on_one_node_manages_on_all() {
    let _alone = alone();
    let (cluster, _) = cluster(3);
    let mut admins = cluster.admins();
    let (key, value) = admins[0].issue_key(&["tokens:read", "tokens:write", "authorize"]);
    for node in &cluster.nodes {
        let mut caller = node.caller(&value);
        let issued = caller.issue(&json!({"type": "upload", "limit": 1, "owner": "keys"}));
        assert_eq!(issued["createdBy"], json!(key));
    }
    let list = admins[1].call("GET", "/v1/access-tokens?owner=keys", None).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert_eq!(admins[2].revoke(&key).status, 204);
    for node in &cluster.nodes {
        assert_eq!(node.caller(&value).call("GET", "/v1/access-tokens", None).status, 401);
    }
}
